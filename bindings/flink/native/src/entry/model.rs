//! `tidegate.flink.model.NativeModel`

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JString};
use jni::sys::{jboolean, jbyteArray, jint, jlong, jstring};

use super::{Batch, borrow, free, give};
use crate::exception::guarded;
use crate::model::Scorer;

/// `static native long open(String registry, String reference)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    registry: JString<'l>,
    reference: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let registry: String = env.get_string(&registry)?.into();
        let reference: String = env.get_string(&reference)?.into();
        Ok(give(Scorer::open(&registry, &reference)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    guarded(&mut env, |_| {
        free::<Scorer>(handle);
        Ok(())
    });
}

/// `static native String describe(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_describe<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jstring {
    // An address, which has a default.
    guarded(&mut env, |env| Ok(env.new_string(borrow::<Scorer>(handle)?.describe())?.into_raw() as usize)) as jstring
}

/// `static native long version(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_version__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jlong {
    guarded(&mut env, |_| Ok(borrow::<Scorer>(handle)?.version() as jlong))
}

/// `static native boolean reload(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_reload__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jboolean {
    guarded(&mut env, |_| Ok(jboolean::from(borrow::<Scorer>(handle)?.reload()?)))
}

/// `static native byte[] predict(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity,
/// int rows)`: the bytes of the predictions' texts.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_predict<'l>(
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
    let predicted = guarded(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        let given = borrow::<Scorer>(handle)?.predict(&batch.rows(env)?, batch.output(env, &output)?)?;
        Ok(env.byte_array_from_slice(&given)?.into_raw() as usize)
    });
    predicted as jbyteArray
}
