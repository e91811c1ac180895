//! `tidegate.flink.metric.NativeMetric`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JObjectArray, JString};
use jni::sys::{jbyteArray, jdoubleArray, jint, jsize, jstring};

use super::{Batch, give_bytes, give_text, string, strings};
use crate::exception::{Failure, guarded};
use crate::metric::{Call, describe};

/// The elements of a `byte[][]`.
fn states(env: &mut JNIEnv<'_>, array: &JObjectArray<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let mut states = Vec::new();
    for place in 0..env.get_array_length(array)? {
        let element = JByteArray::from(env.get_object_array_element(array, place)?);
        states.push(env.convert_byte_array(&element)?);
        env.delete_local_ref(element)?;
    }
    Ok(states)
}

fn call(env: &mut JNIEnv<'_>, metric: &JString<'_>, parameters: &JObjectArray<'_>) -> Result<Call, Failure> {
    let metric = string(env, metric)?;
    Call::new(&metric, &strings(env, parameters)?)
}

/// `static native String describe()`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_describe<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
) -> jstring {
    give_text(&mut env, |_| Ok(describe()))
}

/// `static native String forms(String metric, String[] types)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_forms<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    metric: JString<'l>,
    types: JObjectArray<'l>,
) -> jstring {
    give_text(&mut env, |env| {
        let metric = string(env, &metric)?;
        Call::new(&metric, &[])?.forms(&strings(env, &types)?)
    })
}

/// `static native void check(String metric, String[] parameters)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_check<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    metric: JString<'l>,
    parameters: JObjectArray<'l>,
) {
    guarded(&mut env, |env| call(env, &metric, &parameters)?.check());
}

/// `static native byte[] update(String metric, String[] parameters, byte[] state, String forms, ByteBuffer cells, ByteBuffer texts,
/// int textBytes, int capacity, int rows)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_update<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    metric: JString<'l>,
    parameters: JObjectArray<'l>,
    state: JByteArray<'l>,
    forms: JString<'l>,
    cells: JByteBuffer<'l>,
    texts: JByteBuffer<'l>,
    text_bytes: jint,
    capacity: jint,
    rows: jint,
) -> jbyteArray {
    give_bytes(&mut env, |env| {
        let call = call(env, &metric, &parameters)?;
        let state = env.convert_byte_array(&state)?;
        let forms = string(env, &forms)?;
        let batch = Batch { cells: &cells, texts: &texts, text_bytes, capacity, rows };
        call.update(&state, &forms, &batch.rows(env)?)
    })
}

/// `static native byte[] merge(String metric, String[] parameters, byte[][] states)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_merge<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    metric: JString<'l>,
    parameters: JObjectArray<'l>,
    states_given: JObjectArray<'l>,
) -> jbyteArray {
    give_bytes(&mut env, |env| call(env, &metric, &parameters)?.merge(&states(env, &states_given)?))
}

/// `static native double[] value(String metric, String[] parameters, byte[][] states)`: none, or one number.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_metric_NativeMetric_value<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    metric: JString<'l>,
    parameters: JObjectArray<'l>,
    states_given: JObjectArray<'l>,
) -> jdoubleArray {
    let value = guarded(&mut env, |env| {
        let value = call(env, &metric, &parameters)?.value(&states(env, &states_given)?)?;
        let array = env.new_double_array(jsize::from(value.is_some()))?;
        if let Some(value) = value {
            env.set_double_array_region(&array, 0, &[value])?;
        }
        Ok(array.into_raw() as usize)
    });
    value as jdoubleArray
}
