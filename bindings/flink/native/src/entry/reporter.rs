//! `tidegate.flink.report.NativeReporter`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JString};
use jni::sys::{jbyteArray, jint, jlong};

use super::{Batch, borrow, close, give, give_bytes, length, output_beside, string};
use crate::exception::guarded;
use crate::reporter::Reporter;

/// `static native long open(String task)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    task: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let task = string(env, &task)?;
        Ok(give(Reporter::open(&task)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    close::<Reporter>(&mut env, handle);
}

/// `static native void process(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, int capacity, int rows)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_process<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    input: JByteBuffer<'l>,
    texts: JByteBuffer<'l>,
    text_bytes: jint,
    capacity: jint,
    rows: jint,
) {
    guarded(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        borrow::<Reporter>(handle)?.process(&batch.rows(env)?)
    });
}

/// `static native int rows(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_rows__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jint {
    guarded(&mut env, |_| Ok(jint::try_from(borrow::<Reporter>(handle)?.rows()?).unwrap_or(jint::MAX)))
}

/// `static native byte[] write(long handle, ByteBuffer output, int capacity)`: the bytes of the texts.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_write<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    output: JByteBuffer<'l>,
    capacity: jint,
) -> jbyteArray {
    give_bytes(&mut env, |env| {
        let capacity = length("a capacity", capacity)?;
        borrow::<Reporter>(handle)?.write(output_beside(env, &output, &[])?, capacity)
    })
}

/// `static native byte[] snapshot(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_snapshot__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| Ok(borrow::<Reporter>(handle)?.snapshot()))
}

/// `static native void restore(long handle, byte[] state)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_report_NativeReporter_restore__J_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    state: JByteArray<'l>,
) {
    guarded(&mut env, |env| {
        let state = env.convert_byte_array(&state)?;
        borrow::<Reporter>(handle)?.restore(&state)
    });
}
