//! `Debug` prints facts: never a value, never a key, never the secret of a hasher.

use std::fmt::Debug;
use tollgate::key::{FastHasher, SecretHasher};
use tollgate::{Cache, KeyHasher, Maintenance, Op};

/// In no fact by accident.
const VALUE: u64 = 7_345_918_264_501;
const KEY: u64 = 8_120_946_375_833;

#[test]
fn nothing_prints_values_keys_or_secrets() {
    let printed = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let hears = printed.clone();
    let print =
        |thing: &dyn Debug| printed.lock().unwrap().extend([format!("{thing:?}"), format!("{thing:#?}")]);

    let hasher = SecretHasher::new();
    let secret = [hasher.secret().unwrap(), FastHasher::with_seed(3).secret().unwrap()].concat();
    print(&hasher);
    print(&FastHasher::with_seed(3));
    let builder = Cache::<u64, u64>::builder(1000, 100)
        .name("pages")
        .maintenance(Maintenance::Manual)
        .key_hasher(hasher)
        .replace_if(|_, new| *new != VALUE + 1)
        // The key of an event is its hash; an integer is the half of its own.
        .listener(move |event| {
            hears.lock().unwrap().push(format!("{event:?}").replace(&event.key.conflict.to_string(), ""))
        });
    print(&builder);
    let cache = builder.build().unwrap();
    let vacancy = cache.get_or_reserve(&KEY);
    print(&vacancy);
    if let tollgate::Reservation::Vacant(vacancy) = vacancy {
        print(&vacancy);
        vacancy.insert(VALUE, 1);
    }
    print(&cache);
    print(&cache.get_or_reserve(&KEY));
    print(&cache.iter());
    print(&cache.stats());
    print(&cache.census());
    print(&cache.try_insert(KEY, VALUE, 1000).unwrap_err());
    print(&cache.try_insert(KEY, VALUE + 1, 1).unwrap_err());
    print(&cache.compute(&KEY, |_| Op::Keep));
    print(&cache.compute(&KEY, |_| Op::Remove));
    cache.insert(KEY, VALUE, 1);
    cache.clear();
    cache.wait().unwrap();
    cache.check().unwrap();

    let printed = printed.lock().unwrap();
    assert!(printed.len() > 24 && printed.iter().any(|text| text.contains("Cleared")));
    assert!(printed.iter().any(|text| text.contains("pages")));
    for text in printed.iter() {
        assert!(!text.contains(&VALUE.to_string()), "a value: {text}");
        assert!(!text.contains(&KEY.to_string()), "a key: {text}");
        for word in &secret {
            assert!(
                !text.contains(&word.to_string()) && !text.contains(&format!("{word:x}")),
                "a secret: {text}"
            );
        }
    }
}

#[test]
fn a_cache_prints_what_it_is() {
    let cache: Cache<str, u64> =
        Cache::builder(1000, 100).name("pages").slack(3).maintenance(Maintenance::Manual).build().unwrap();
    cache.insert("a", 1, 7);
    assert_eq!(
        format!("{cache:?}"),
        "Cache { name: \"pages\", entries: 1, cost: 7, max_cost: 100, slack: 3, .. }"
    );
    assert_eq!(cache.name(), "pages");
}
