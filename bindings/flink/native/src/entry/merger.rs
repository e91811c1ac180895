//! `tidegate.flink.train.NativeMerger`

use jni::JNIEnv;
use jni::objects::{JByteArray, JClass, JObjectArray, JString};
use jni::sys::{jbyteArray, jlong};
use tidegate_training::Merger;

use super::{borrow, close, give, give_bytes, string};
use crate::exception::{Failure, guarded};
use crate::merger;

/// The reports of a `byte[][]`.
fn reports(env: &mut JNIEnv<'_>, array: &JObjectArray<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let length = env.get_array_length(array)?;
    let mut reports = Vec::with_capacity(length as usize);
    for i in 0..length {
        let report = JByteArray::from(env.get_object_array_element(array, i)?);
        reports.push(env.convert_byte_array(&report)?);
        env.delete_local_ref(report)?;
    }
    Ok(reports)
}

/// `static native long open(String task)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    task: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let task = string(env, &task)?;
        Ok(give(merger::open(&task)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    close::<Merger>(&mut env, handle);
}

/// `static native void merge(long handle, byte[][] reports)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_merge__J_3_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    given: JObjectArray<'l>,
) {
    guarded(&mut env, |env| {
        let reports = reports(env, &given)?;
        Ok(borrow::<Merger>(handle)?.merge(&reports)?)
    });
}

/// `static native void finish(long handle, byte[][] reports)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_finish__J_3_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    given: JObjectArray<'l>,
) {
    guarded(&mut env, |env| {
        let reports = reports(env, &given)?;
        Ok(borrow::<Merger>(handle)?.finish(&reports)?)
    });
}

/// `static native byte[] model(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_model__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| Ok(borrow::<Merger>(handle)?.model()))
}

/// `static native void restore(long handle, byte[] model)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_train_NativeMerger_restore__J_3B<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    model: JByteArray<'l>,
) {
    guarded(&mut env, |env| {
        let model = env.convert_byte_array(&model)?;
        Ok(borrow::<Merger>(handle)?.restore(&model)?)
    });
}
