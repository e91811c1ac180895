//! `tidegate.flink.table.NativeTable`

use jni::JNIEnv;
use jni::objects::{JClass, JObjectArray};

use super::strings;
use crate::exception::guarded;
use crate::table::Declared;

/// `static native void check(String[] declaration)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeTable_check<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    declaration: JObjectArray<'l>,
) {
    guarded(&mut env, |env| Declared::open(&strings(env, &declaration)?).map(drop));
}
