//! `tidegate.flink.model.NativeModel`

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JString};
use jni::sys::{jboolean, jbyteArray, jint, jlong, jstring};

use super::{Batch, borrow, close, give, give_bytes, give_text, string};
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
        let registry = string(env, &registry)?;
        let reference = string(env, &reference)?;
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
    close::<Scorer>(&mut env, handle);
}

/// `static native String describe(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeModel_describe<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jstring {
    give_text(&mut env, |_| Ok(borrow::<Scorer>(handle)?.describe()))
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
    give_bytes(&mut env, |env| {
        let batch = Batch { cells: &input, texts: &texts, text_bytes, capacity, rows };
        borrow::<Scorer>(handle)?.predict(&batch.rows(env)?, batch.output(env, &output)?)
    })
}
