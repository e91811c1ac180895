//! `tidegate.flink.train.NativeTrainer`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JString};
use jni::sys::{jbyteArray, jint, jlong, jstring};

use super::{Batch, borrow, free, give};
use crate::exception::guarded;
use crate::trainer::Learner;

/// `static native long open(String task)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    task: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let task: String = env.get_string(&task)?.into();
        Ok(give(Learner::open(&task)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| {
        free::<Learner>(handle);
        Ok(())
    });
}

/// `static native byte[] process(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity,
/// int rows)`: the bytes of the outputs' texts.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_process<'l>(
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
        let given = borrow::<Learner>(handle)?.process(&batch.rows(env)?, batch.output(env, &output)?)?;
        Ok(env.byte_array_from_slice(&given)?.into_raw() as usize)
    });
    given as jbyteArray
}

/// `static native void end(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_end__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| borrow::<Learner>(handle)?.end());
}

/// `static native byte[] snapshot(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_snapshot__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    let state = guarded(&mut env, |env| {
        let state = borrow::<Learner>(handle)?.snapshot()?;
        Ok(env.byte_array_from_slice(&state)?.into_raw() as usize)
    });
    state as jbyteArray
}

/// `static native void restore(long handle, byte[] state)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_restore__J_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    state: JByteArray<'l>,
) {
    guarded(&mut env, |env| {
        let state = env.convert_byte_array(&state)?;
        borrow::<Learner>(handle)?.restore(&state)
    });
}

/// `static native String figures(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_figures__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jstring {
    guarded(&mut env, |env| Ok(env.new_string(borrow::<Learner>(handle)?.figures())?.into_raw() as usize)) as jstring
}
