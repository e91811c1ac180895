//! `tidegate.flink.train.NativePredictor`

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JString};
use jni::sys::{jbyteArray, jint, jlong};

use super::{Batch, borrow, close, give, give_bytes, string};
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
        let task = string(env, &task)?;
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
    close::<Predictor>(&mut env, handle);
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
    give_bytes(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        borrow::<Predictor>(handle)?.process(&batch.rows(env)?, batch.output(env, &output)?)
    })
}
