//! What may stand for a key when a value is inserted.

use super::{KeyHash, KeyHasher};
use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Something that can be passed where a key of type `K` is wanted.
///
/// Keys are hashed and forgotten, so that an insertion need not own one. A cache with keys of type `K`
/// takes a `K`, a `&K`, and the borrowed forms of the usual owners, without allocating:
///
/// | `K` | also takes |
/// |---|---|
/// | `String` | `&str` |
/// | `Vec<T>` | `&[T]`, `&[T; N]` |
/// | `PathBuf`, `OsString`, `CString` | `&Path`, `&OsStr`, `&CStr` |
/// | `Box<T>`, `Arc<T>`, `Rc<T>`, `Cow<T>` | `&T` |
/// | `str`, `[T]`, `Path`, `OsStr`, `CStr` | their owners, by value and by reference |
///
/// # Implementing it
///
/// For borrowed forms of your own keys. What stands for a key must be hashed exactly as the key
/// would be: it must make the same writes, which `hash_key` of another type does only if both
/// `Hash` implementations agree (as [`Borrow`](std::borrow::Borrow) demands).
///
/// ```
/// use tollgate::key::{AsKey, KeyHash, KeyHasher};
///
/// #[derive(Hash)]
/// struct Name {
///     first: String,
///     last: String,
/// }
///
/// #[derive(Hash)]
/// struct NameRef<'a> {
///     first: &'a str,
///     last: &'a str,
/// }
///
/// impl AsKey<Name> for NameRef<'_> {
///     fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
///         hasher.hash_key(self)
///     }
/// }
/// ```
pub trait AsKey<K: ?Sized> {
    /// The words of the key that this stands for.
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash;
}

impl<K: Hash> AsKey<K> for K {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self)
    }
}

impl<K: Hash + ?Sized> AsKey<K> for &K {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl AsKey<String> for &str {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash> AsKey<Vec<T>> for &[T] {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash, const N: usize> AsKey<Vec<T>> for &[T; N] {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_slice())
    }
}

impl AsKey<PathBuf> for &Path {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl AsKey<OsString> for &OsStr {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl AsKey<CString> for &CStr {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash + ?Sized> AsKey<Box<T>> for &T {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash + ?Sized> AsKey<Arc<T>> for &T {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash + ?Sized> AsKey<Rc<T>> for &T {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl<T: Hash + ToOwned + ?Sized> AsKey<Cow<'_, T>> for &T {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(*self)
    }
}

impl AsKey<str> for String {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_str())
    }
}

impl AsKey<str> for &String {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_str())
    }
}

impl<T: Hash> AsKey<[T]> for Vec<T> {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_slice())
    }
}

impl<T: Hash> AsKey<[T]> for &Vec<T> {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_slice())
    }
}

impl<T: Hash, const N: usize> AsKey<[T]> for [T; N] {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_slice())
    }
}

impl<T: Hash, const N: usize> AsKey<[T]> for &[T; N] {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_slice())
    }
}

impl AsKey<Path> for PathBuf {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_path())
    }
}

impl AsKey<Path> for &PathBuf {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_path())
    }
}

impl AsKey<OsStr> for OsString {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_os_str())
    }
}

impl AsKey<OsStr> for &OsString {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_os_str())
    }
}

impl AsKey<CStr> for CString {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_c_str())
    }
}

impl AsKey<CStr> for &CString {
    #[inline]
    fn key_hash<H: KeyHasher>(&self, hasher: &H) -> KeyHash {
        hasher.hash_key(self.as_c_str())
    }
}
