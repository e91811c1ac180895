//! `tidegate.flink.train.NativePredictor`

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JString};
use jni::sys::{jbyteArray, jint, jlong};

use super::{Batch, borrow, free, give};
use crate::exception::guarded;
use crate::predictor::Predictor;

/// `static native long open(String task)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativePredictor_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    task: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let task: String = env.get_string(&task)?.into();
        Ok(give(Predictor::open(&task)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativePredictor_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| {
        free::<Predictor>(handle);
        Ok(())
    });
}

/// `static native byte[] process(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity,
/// int rows)`: the bytes of the outputs' texts.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativePredictor_process<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    input: JByteBuffer<'l>,
    texts: JByteBuffer<'l>,
    text_bytes: jint,
    output: JByteBuffer<'l>,
    capacity: jint,
    rows: jint,
) -> jbyteArray {
    let given = guarded(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        let given = borrow::<Predictor>(handle)?.process(&batch.rows(env)?, batch.output(env, &output)?)?;
        Ok(env.byte_array_from_slice(&given)?.into_raw() as usize)
    });
    given as jbyteArray
}
