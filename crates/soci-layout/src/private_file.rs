//! Files of a store that are not part of the OCI image layout: readers of layouts ignore them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::beneath;
use crate::error::LayoutError;
use crate::layout::Layout;
use crate::temporary;

impl Layout {
    /// Replaces the file `name` in `directory`, which is relative to the layout.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written and made durable.
    pub fn write_private_file(
        &self,
        directory: &str,
        name: &str,
        content: &[u8],
    ) -> Result<(), LayoutError> {
        let directory = self.root().join(directory);
        temporary::create_directory(&directory)?;
        self.replace_file(&directory.join(name), content)
    }

    /// Reads the file `name` in `directory`, which is relative to the layout. Returns `None` if the
    /// file cannot be read or has more than `limit` bytes.
    pub fn read_private_file(&self, directory: &str, name: &str, limit: u64) -> Option<Vec<u8>> {
        let path = Path::new(directory).join(name);
        let open = || -> Option<File> { beneath::open(self.root(), &path).ok() };
        let file = open()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() > limit || !self.mark_used(&metadata, open) {
            return None;
        }
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content).ok()?;
        Some(content)
    }
}
