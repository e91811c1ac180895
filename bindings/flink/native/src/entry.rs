//! The functions of `tidegate.flink.Native`. A handle is the address of a [`Scorer`], which Java owns from `open` to `close`, and uses
//! from one thread at a time. The names are what the virtual machine looks for.

#![allow(unsafe_code, unreachable_pub, non_snake_case)]

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JString};
use jni::sys::{jboolean, jbyteArray, jint, jlong, jstring};

use crate::exception::{Failure, guarded};
use crate::scorer::Scorer;

fn refuse<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::Contract(what.to_string()))
}

/// The scorer of a handle.
fn scorer<'h>(handle: jlong) -> Result<&'h mut Scorer, Failure> {
    if handle == 0 {
        return refuse("the model is closed");
    }
    // SAFETY: a handle that is not 0 comes from `open`, and Java's `NativeModel` sets it to 0 when it closes it. It is confined to
    // the thread of its operator, so that there is no other reference.
    Ok(unsafe { &mut *(handle as *mut Scorer) })
}

/// Where a direct buffer is, and its capacity.
fn memory(env: &JNIEnv<'_>, buffer: &JByteBuffer<'_>) -> Result<(*mut u8, usize), Failure> {
    let address = env.get_direct_buffer_address(buffer)?;
    let bytes = env.get_direct_buffer_capacity(buffer)?;
    if address.is_null() {
        return refuse("a buffer has no memory: it has to be a direct one");
    }
    Ok((address, bytes))
}

fn length(what: &str, value: jint) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| Failure::Contract(format!("{what} cannot be {value}")))
}

/// `static native long open(String registry, String reference)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_open<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    registry: JString<'l>,
    reference: JString<'l>,
) -> jlong {
    guarded(&mut env, |env| {
        let registry: String = env.get_string(&registry)?.into();
        let reference: String = env.get_string(&reference)?.into();
        Ok(Box::into_raw(Box::new(Scorer::open(&registry, &reference)?)) as jlong)
    })
}

/// `static native void close(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_close<'l>(mut env: JNIEnv<'l>, _class: JClass<'l>, handle: jlong) {
    guarded(&mut env, |_| {
        if handle != 0 {
            // SAFETY: it comes from `open`, and Java forgets it before it calls this, once.
            drop(unsafe { Box::from_raw(handle as *mut Scorer) });
        }
        Ok(())
    });
}

/// `static native String describe(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_describe<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jstring {
    // An address, which has a default.
    guarded(&mut env, |env| Ok(env.new_string(scorer(handle)?.describe())?.into_raw() as usize)) as jstring
}

/// `static native long version(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_version<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jlong {
    guarded(&mut env, |_| Ok(scorer(handle)?.version() as jlong))
}

/// `static native boolean reload(long handle)`
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_reload<'l>(
    mut env: JNIEnv<'l>,
    _class: JClass<'l>,
    handle: jlong,
) -> jboolean {
    guarded(&mut env, |_| Ok(jboolean::from(scorer(handle)?.reload()?)))
}

/// `static native byte[] predict(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity,
/// int rows)`: the bytes of the predictions' texts.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_predict<'l>(
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
        let scorer = scorer(handle)?;
        let (capacity, rows) = (length("a capacity", capacity)?, length("a number of rows", rows)?);
        let (input, input_bytes) = memory(env, &input)?;
        let (texts, texts_bytes) = memory(env, &texts)?;
        let (output, output_bytes) = memory(env, &output)?;
        if input == output || texts == output {
            return refuse("what is written cannot be what is read");
        }
        // SAFETY: these are three direct buffers, of which Java made each by itself, so that they do not overlap. The caller's
        // references keep them alive during the call, and nothing else touches them until it returns.
        let (input, texts, output) = unsafe {
            (
                std::slice::from_raw_parts(input, input_bytes),
                std::slice::from_raw_parts(texts, texts_bytes),
                std::slice::from_raw_parts_mut(output, output_bytes),
            )
        };
        let Some(texts) = texts.get(..length("a length", text_bytes)?) else {
            return refuse("there are fewer bytes of texts than it says");
        };
        let given = scorer.predict((input, texts), output, capacity, rows)?;
        Ok(env.byte_array_from_slice(&given)?.into_raw() as usize)
    });
    predicted as jbyteArray
}
