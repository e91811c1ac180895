//! `tidegate.flink.model.NativeRegistry`

use jni::JNIEnv;
use jni::objects::{JClass, JString};
use jni::sys::jstring;

use super::{give_text, string};
use crate::model::names;

/// `static native String models(String registry)`: a line a model.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeRegistry_models<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    registry: JString<'l>,
) -> jstring {
    give_text(&mut env, |env| {
        let registry = string(env, &registry)?;
        names(&registry)
    })
}
