//! The settings of a plan.

use soci_document::{HumanSize, IndexVersions, Optimization, Plan};

use crate::clean::{clean, shorten};
use crate::units::Count;

/// A setting of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The most characters of a setting that are displayed.
const MAX_VALUE: usize = 300;

/// Returns the settings of a plan. Those that are not in use are left out.
pub(crate) fn settings(plan: &Plan) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut add = |name, value: String| {
        let value = shorten(&clean(&value), MAX_VALUE).into_owned();
        settings.push(Setting { name, value });
    };
    add("platforms", plan.platforms.join(", "));
    let versions = match plan.index_version {
        IndexVersions::Both => "1 and 2",
        IndexVersions::V1 => "1",
        IndexVersions::V2 => "2",
    };
    add("index versions", versions.to_owned());
    let minimum = HumanSize(plan.min_layer_size);
    add("minimum layer size", minimum.to_string());
    add("span size", HumanSize(plan.span_size).to_string());
    if plan.optimizations.contains(&Optimization::Xattr) {
        add("optimizations", "xattr".to_owned());
    }
    if !plan.prefetch_files.is_empty() {
        let files = Count(plan.prefetch_files.len(), "file");
        add("prefetch", files.to_string());
    }
    if !plan.reuse_from.is_empty() {
        let images = plan.reuse_from.iter().map(ToString::to_string);
        add("reuse from", images.collect::<Vec<_>>().join(", "));
    }
    settings
}
