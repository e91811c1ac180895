//! `tidegate.flink.table.NativeReading`

use jni::JNIEnv;
use jni::objects::{JByteArray, JByteBuffer, JClass, JIntArray, JObjectArray};
use jni::sys::{jboolean, jbyteArray, jint, jlong};

use super::{borrow, close, give, give_bytes, length, output_beside, strings};
use crate::exception::guarded;
use crate::table::{Declared, Reading, ScanOf};

/// `static native long open(String[] declaration, int[] projection, long limit, int batchRows, byte[] place)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    declaration: JObjectArray<'l>,
    projection: JIntArray<'l>,
    limit: jlong,
    batch_rows: jint,
    place: JByteArray<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let table = Declared::open(&strings(env, &declaration)?)?;
        let mut columns = vec![0; env.get_array_length(&projection)? as usize];
        env.get_int_array_region(&projection, 0, &mut columns)?;
        let projection = columns.into_iter().map(|column| length("a column", column)).collect::<Result<_, _>>()?;
        let batch_rows = length("the rows of a batch", batch_rows)?;
        let wanted = ScanOf { projection, limit: usize::try_from(limit).ok(), batch_rows };
        Ok(give(Reading::open(&table, &wanted, &env.convert_byte_array(&place)?)?))
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_close__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) {
    close::<Reading>(&mut env, handle);
}

/// `static native boolean isBounded(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_isBounded__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jboolean {
    guarded(&mut env, |_| Ok(jboolean::from(borrow::<Reading>(handle)?.is_bounded())))
}

/// `static native int next(long handle, ByteBuffer output, int capacity)`: the number of rows, or -1 at the end.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_next<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
    output: JByteBuffer<'l>,
    capacity: jint,
) -> jint {
    guarded(&mut env, |env| {
        let capacity = length("a capacity", capacity)?;
        let rows = borrow::<Reading>(handle)?.next(output_beside(env, &output, &[])?, capacity)?;
        // No more than the capacity, which was a jint.
        Ok(rows.map_or(-1, |rows| rows as jint))
    })
}

/// `static native byte[] texts(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_texts__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| Ok(borrow::<Reading>(handle)?.texts().to_vec()))
}

/// `static native long bad(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_bad__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jlong {
    guarded(&mut env, |_| Ok(borrow::<Reading>(handle)?.bad() as jlong))
}

/// `static native byte[] place(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_table_NativeReading_place__J<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jbyteArray {
    give_bytes(&mut env, |_| borrow::<Reading>(handle)?.place())
}
