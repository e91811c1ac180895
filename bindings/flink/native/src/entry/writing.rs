//! `tidegate.flink.table.NativeWriting`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JObjectArray, JString};
use jni::sys::{jboolean, jbyteArray, jint, jlong};

use super::{Batch, borrow, close, give, give_bytes, strings};
use crate::exception::{Failure, guarded};
use crate::table::{Declared, SinkOf, Writing, commit};

fn wanted(env: &mut JNIEnv<'_>, job: &JString<'_>, overwrite: jboolean, at_end: jboolean) -> Result<SinkOf, Failure> {
    Ok(SinkOf { job: env.get_string(job)?.into(), overwrite: overwrite != 0, at_end: at_end != 0 })
}

/// `static native long open(String[] declaration, String job, boolean overwrite, boolean atEnd, byte[] restore)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    declaration: JObjectArray<'l>,
    job: JString<'l>,
    overwrite: jboolean,
    at_end: jboolean,
    restore: JByteArray<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let table = Declared::open(&strings(env, &declaration)?)?;
        let wanted = wanted(env, &job, overwrite, at_end)?;
        Ok(give(Writing::open(&table, &wanted, &env.convert_byte_array(&restore)?)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    close::<Writing>(&mut env, handle);
}

/// `static native void write(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, int capacity, int rows)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_write<'l>(
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
        borrow::<Writing>(handle)?.write(&batch.rows(env)?)
    });
}

/// `static native byte[] handOver(long handle, boolean last)`: what has to be committed, or null.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_handOver__JZ<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    last: jboolean,
) -> jbyteArray {
    let handed_over = guarded(&mut env, |env| match borrow::<Writing>(handle)?.hand_over(last != 0)? {
        Some(bytes) => Ok(env.byte_array_from_slice(&bytes)?.into_raw() as usize),
        None => Ok(0),
    });
    handed_over as jbyteArray
}

/// `static native byte[] restore(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_restore__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| Ok(borrow::<Writing>(handle)?.restore().to_vec()))
}

/// `static native void commit(String[] declaration, String job, boolean overwrite, boolean atEnd, byte[] handedOver, boolean again)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeWriting_commit<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    declaration: JObjectArray<'l>,
    job: JString<'l>,
    overwrite: jboolean,
    at_end: jboolean,
    handed_over: JByteArray<'l>,
    again: jboolean,
) {
    guarded(&mut env, |env| {
        let table = Declared::open(&strings(env, &declaration)?)?;
        let wanted = wanted(env, &job, overwrite, at_end)?;
        commit(&table, &wanted, &env.convert_byte_array(&handed_over)?, again != 0)
    });
}
