package main

import (
	"archive/tar"
	"errors"
	"io"
	"sort"
	"time"
)

// An entry as a ztoc holds it.
type entry struct {
	name, kind, linkname, uname, gname, modTime string
	offset, size, mode, devmajor, devminor      int64
	uid, gid                                    uint32
	records                                     []record
}

type record struct{ key, value string }

var kinds = map[byte]string{
	tar.TypeReg:     "reg",
	tar.TypeLink:    "hardlink",
	tar.TypeSymlink: "symlink",
	tar.TypeChar:    "char",
	tar.TypeBlock:   "block",
	tar.TypeDir:     "dir",
	tar.TypeFifo:    "fifo",
}

// errOldSparse is the error for a sparse file of the old GNU format, whose map archive/tar has refused.
// The tools refuse such a file for its type, and do not read the map.
var errOldSparse = errors.New("old GNU sparse file with a malformed map")

// A counter of the bytes that the reader of a tar has consumed. It hides that its source can seek.
type counter struct {
	source io.Reader
	count  int64
	// Whether a block looked like the header of an old GNU sparse file.
	oldSparse bool
}

func (c *counter) Read(buffer []byte) (int, error) {
	length, err := c.source.Read(buffer)
	c.count += int64(length)
	if length == 512 && string(buffer[257:262]) == "ustar" && buffer[156] == tar.TypeGNUSparse {
		c.oldSparse = true
	}
	return length, err
}

// readTar returns the outcome, the entries, and the offset where the tar ended.
func readTar(source io.Reader) (uint8, []entry, int64, error) {
	position := &counter{source: source}
	reader := tar.NewReader(position)
	var entries []entry
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return outcomeZtoc, entries, position.count, nil
		}
		if err != nil && position.oldSparse {
			return outcomeTar, nil, 0, errOldSparse
		}
		if err != nil {
			return outcomeTar, nil, 0, err
		}
		kind, ok := kinds[header.Typeflag]
		if !ok {
			return outcomeEntry, nil, 0, nil
		}
		entries = append(entries, newEntry(header, kind, position.count))
	}
}

func newEntry(header *tar.Header, kind string, offset int64) entry {
	modTime := ""
	if year := header.ModTime.UTC().Year(); year >= 0 && year <= 9999 {
		modTime = header.ModTime.UTC().Format(time.RFC3339Nano)
	}
	records := make([]record, 0, len(header.PAXRecords))
	for key, value := range header.PAXRecords {
		records = append(records, record{key, value})
	}
	sort.Slice(records, func(one, two int) bool { return records[one].key < records[two].key })
	return entry{
		name:     header.Name,
		kind:     kind,
		linkname: header.Linkname,
		uname:    header.Uname,
		gname:    header.Gname,
		modTime:  modTime,
		offset:   offset,
		size:     header.Size,
		mode:     header.Mode,
		devmajor: header.Devmajor,
		devminor: header.Devminor,
		uid:      uint32(header.Uid),
		gid:      uint32(header.Gid),
		records:  records,
	}
}
