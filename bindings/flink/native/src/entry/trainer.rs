//! `tidegate.flink.train.NativeTrainer`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JString};
use jni::sys::{jbyteArray, jint, jlong, jlongArray, jstring};

use super::{Batch, borrow, close, give, give_bytes, give_text, string};
use crate::exception::guarded;
use crate::trainer::JobTrainer;

/// `static native long open(String task)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    task: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let task = string(env, &task)?;
        Ok(give(JobTrainer::open(&task)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    close::<JobTrainer>(&mut env, handle);
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
    give_bytes(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        borrow::<JobTrainer>(handle)?.process(&batch.rows(env)?, batch.output(env, &output)?)
    })
}

/// `static native void end(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_end__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| borrow::<JobTrainer>(handle)?.end());
}

/// `static native byte[] snapshot(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_snapshot__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| borrow::<JobTrainer>(handle)?.snapshot())
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
        borrow::<JobTrainer>(handle)?.restore(&state)
    });
}

/// `static native String figures(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_figures__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jstring {
    give_text(&mut env, |_| Ok(borrow::<JobTrainer>(handle)?.figures()))
}

/// `static native byte[] report(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_report__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| borrow::<JobTrainer>(handle)?.report())
}

/// `static native byte[] lastReport(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_lastReport__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| borrow::<JobTrainer>(handle)?.last_report())
}

/// `static native void release(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_release__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| borrow::<JobTrainer>(handle)?.release());
}

/// `static native void goOn(long handle, long round, byte[] merged)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_goOn__JJ_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    round: jlong,
    merged: JByteArray<'l>,
) {
    guarded(&mut env, |env| {
        let merged = env.convert_byte_array(&merged)?;
        borrow::<JobTrainer>(handle)?.go_on(round as u64, &merged)
    });
}

/// `static native long[] progress(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeTrainer_progress__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jlongArray {
    let progress = guarded(&mut env, |env| {
        let progress = borrow::<JobTrainer>(handle)?.progress()?;
        let array = env.new_long_array(progress.len() as jint)?;
        env.set_long_array_region(&array, 0, &progress)?;
        Ok(array.into_raw() as usize)
    });
    progress as jlongArray
}
