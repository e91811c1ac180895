//! `tidegate.flink.model.NativeRegistry`

use jni::JNIEnv;
use jni::objects::{JClass, JString};
use jni::sys::jstring;

use crate::exception::guarded;
use crate::model::names;

/// `static native String models(String registry)`: a line a model.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_model_NativeRegistry_models<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    registry: JString<'l>,
) -> jstring {
    let models = guarded(&mut env, |env| {
        let registry: String = env.get_string(&registry)?.into();
        Ok(env.new_string(names(&registry)?)?.into_raw() as usize)
    });
    models as jstring
}
