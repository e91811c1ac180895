//! The functions that Java calls, a file for each of its classes. The names are what the virtual machine looks for.
//!
//! A handle is the address of a value that Java owns from the call that gives it to `close`, and uses from one thread at a time. What
//! is here is what all of them need of the edge: handles, and memory that both sides see.

#![allow(unsafe_code, unreachable_pub, non_snake_case)]

mod merger;
mod metric;
mod model;
mod predictor;
mod reading;
mod registry;
mod reporter;
mod table;
mod trainer;
mod writing;

use std::sync::atomic::{AtomicUsize, Ordering};

use jni::JNIEnv;
use jni::objects::{JByteBuffer, JClass, JObjectArray, JString};
use jni::sys::{jbyteArray, jint, jlong, jstring};

use crate::batch::Rows;
use crate::exception::{Failure, guarded};

fn refuse<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::Contract(what.to_string()))
}

/// `tidegate.flink.Native`: `public static native int owned()`, how many values Java owns.
#[unsafe(no_mangle)]
pub extern "system" fn Java_tidegate_flink_Native_owned<'l>(mut env: JNIEnv<'l>, _class: JClass<'l>) -> jint {
    guarded(&mut env, |_| Ok(jint::try_from(OWNED.load(Ordering::Relaxed)).unwrap_or(jint::MAX)))
}

fn length(what: &str, value: jint) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| Failure::Contract(format!("{what} cannot be {value}")))
}

/// How many values Java owns.
static OWNED: AtomicUsize = AtomicUsize::new(0);

/// A value that Java owns from now on.
fn give<T>(value: T) -> jlong {
    OWNED.fetch_add(1, Ordering::Relaxed);
    Box::into_raw(Box::new(value)) as jlong
}

/// The value of a handle that [`give`] made of a `T`.
fn borrow<'h, T>(handle: jlong) -> Result<&'h mut T, Failure> {
    if handle == 0 {
        return refuse("it is closed");
    }
    // SAFETY: a handle that is not 0 comes from `give` for the same `T`, since each Java class has its own functions and keeps its
    // handles to itself, and it sets them to 0 when it closes them. A handle is confined to the thread of its operator, so that there is
    // no other reference.
    Ok(unsafe { &mut *(handle as *mut T) })
}

/// Drops the value of a handle; of 0, nothing.
fn free<T>(handle: jlong) {
    if handle != 0 {
        OWNED.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as in `borrow`; Java forgets the handle before it calls this, once.
        drop(unsafe { Box::from_raw(handle as *mut T) });
    }
}

/// Closes a handle: what every class's `close` does.
fn close<T>(env: &mut JNIEnv<'_>, handle: jlong) {
    guarded(env, |_| {
        free::<T>(handle);
        Ok(())
    });
}

/// Runs an entry that gives a `byte[]`.
fn give_bytes<'l>(env: &mut JNIEnv<'l>, body: impl FnOnce(&mut JNIEnv<'l>) -> Result<Vec<u8>, Failure>) -> jbyteArray {
    // An address, which has a default.
    guarded(env, |env| {
        let bytes = body(env)?;
        Ok(env.byte_array_from_slice(&bytes)?.into_raw() as usize)
    }) as jbyteArray
}

/// Runs an entry that gives a `String`.
fn give_text<'l>(env: &mut JNIEnv<'l>, body: impl FnOnce(&mut JNIEnv<'l>) -> Result<String, Failure>) -> jstring {
    guarded(env, |env| {
        let text = body(env)?;
        Ok(env.new_string(text)?.into_raw() as usize)
    }) as jstring
}

/// A `String`.
fn string(env: &mut JNIEnv<'_>, text: &JString<'_>) -> Result<String, Failure> {
    Ok(env.get_string(text)?.into())
}

/// The texts of a `String[]`.
fn strings(env: &mut JNIEnv<'_>, array: &JObjectArray<'_>) -> Result<Vec<String>, Failure> {
    let length = env.get_array_length(array)?;
    let mut texts = Vec::with_capacity(length as usize);
    for i in 0..length {
        let text = JString::from(env.get_object_array_element(array, i)?);
        texts.push(env.get_string(&text)?.into());
        env.delete_local_ref(text)?;
    }
    Ok(texts)
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

/// Rows as Java's `Batch` has them.
struct Batch<'b, 'l> {
    cells: &'b JByteBuffer<'l>,
    texts: &'b JByteBuffer<'l>,
    text_bytes: jint,
    capacity: jint,
    rows: jint,
}

impl<'b> Batch<'b, '_> {
    /// The rows, for as long as the call takes.
    fn rows(&self, env: &JNIEnv<'_>) -> Result<Rows<'b>, Failure> {
        let (cells, cell_bytes) = memory(env, self.cells)?;
        let (texts, texts_bytes) = memory(env, self.texts)?;
        let used = length("a length", self.text_bytes)?;
        if used > texts_bytes {
            return refuse("there are fewer bytes of texts than it says");
        }
        // SAFETY: two direct buffers, which the caller's references keep alive during the call, and nothing writes until it returns:
        // what a call writes are other buffers, which `output` sees to.
        let (cells, texts) =
            unsafe { (std::slice::from_raw_parts(cells, cell_bytes), std::slice::from_raw_parts(texts, used)) };
        let (capacity, rows) = (length("a capacity", self.capacity)?, length("a number of rows", self.rows)?);
        Ok(Rows { cells, texts, capacity, rows })
    }

    /// The memory that Java's `Given` has for what comes of the rows.
    fn output<'o>(&self, env: &JNIEnv<'_>, output: &'o JByteBuffer<'_>) -> Result<&'o mut [u8], Failure> {
        let (read, texts) = (memory(env, self.cells)?.0, memory(env, self.texts)?.0);
        output_beside(env, output, &[read, texts])
    }
}

/// The memory of a buffer that is written, which must be none of those read.
#[expect(clippy::mut_from_ref, reason = "the memory is not the reference's own")]
fn output_beside<'o>(env: &JNIEnv<'_>, output: &'o JByteBuffer<'_>, read: &[*mut u8]) -> Result<&'o mut [u8], Failure> {
    let (address, bytes) = memory(env, output)?;
    if read.contains(&address) {
        return refuse("what is written cannot be what is read");
    }
    // SAFETY: Java made each of its direct buffers by itself, so that two with different addresses do not overlap. The caller's
    // reference keeps it alive during the call, and nothing else touches it until it returns.
    Ok(unsafe { std::slice::from_raw_parts_mut(address, bytes) })
}
