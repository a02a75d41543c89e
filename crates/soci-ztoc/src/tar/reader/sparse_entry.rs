//! Reading the header and the map of a sparse file.

use std::mem;

use super::{SparseFile, State, TarReader, padding_after};
use crate::error::{ScanError, TarFault};
use crate::tar::header::Header;
use crate::tar::pax::Records;
use crate::tar::sparse::{self, ContentMap, MapProgress, SparseFormat};
use crate::tar::{BLOCK_SIZE, SPARSE_MAP_PART};

impl TarReader {
    /// Replaces name and size of a sparse file by its real ones, and checks its map or waits for
    /// it.
    pub(super) fn read_sparse_header(
        &mut self,
        mut header: Header,
        records: Records,
        format: SparseFormat,
    ) -> Result<(), ScanError> {
        let contents = self.content_length(&header)?;
        let padding = padding_after(contents);
        if let Some(name) = sparse::real_name(&records) {
            header.name = name.to_vec();
        }
        let size = sparse::logical_size(&records).map_err(|fault| self.header_error(fault))?;
        header.size = size.unwrap_or(header.size);
        if format == SparseFormat::InContents {
            return self.expect_map_block(SparseFile {
                header,
                records,
                map: ContentMap::default(),
                left: contents,
                padding,
            });
        }
        let checked = sparse::check_map_record(&records, header.size);
        checked.map_err(|fault| self.header_error(fault))?;
        self.refuse_sparse_without_contents(&header)?;
        self.push_entry(header, records)?;
        self.skip_contents(contents, padding);
        Ok(())
    }

    /// Waits for the next block of a sparse map, which must lie within the contents of the file.
    fn expect_map_block(&mut self, file: SparseFile) -> Result<(), ScanError> {
        if file.left < BLOCK_SIZE as u64 {
            return Err(ScanError::TarTruncated {
                offset: self.position.saturating_add(file.left),
                part: SPARSE_MAP_PART,
            });
        }
        self.state = State::SparseMap(Box::new(file));
        Ok(())
    }

    pub(super) fn read_map_block(&mut self) -> Result<(), ScanError> {
        let State::SparseMap(mut file) = mem::replace(&mut self.state, State::Header) else {
            return Ok(());
        };
        file.left = file.left.saturating_sub(BLOCK_SIZE as u64);
        let progress = file.map.push_block(&self.block);
        match progress.map_err(|fault| self.header_error(fault))? {
            MapProgress::NeedsBlock => self.expect_map_block(*file),
            MapProgress::TooLong => Err(self.too_long_error(SPARSE_MAP_PART)),
            MapProgress::Complete => {
                let checked = file.map.check_fragments(file.header.size);
                checked.map_err(|fault| self.header_error(fault))?;
                self.refuse_sparse_without_contents(&file.header)?;
                self.push_entry(file.header, file.records)?;
                self.skip_contents(file.left, file.padding);
                Ok(())
            }
        }
    }

    fn refuse_sparse_without_contents(&self, header: &Header) -> Result<(), ScanError> {
        if header.is_header_only() {
            return Err(self.header_error(TarFault::SparseMap));
        }
        Ok(())
    }
}
