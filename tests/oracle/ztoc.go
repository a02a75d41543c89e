package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// What a ztoc holds.
type ztoc struct {
	version                          string
	compressedSize, uncompressedSize int64
	entries                          []entry
	compression                      uint8
	maxSpan                          int32
	digests                          []string
	spanSize                         int64
	points                           []point
	windows                          [][]byte
	tarSize                          int64
}

// What the oracle expects of a ztoc.
type expectation struct {
	outcome                          uint8
	compression                      uint8
	compressedSize, uncompressedSize int64
	spanSize                         int64
	plain                            []byte
	points                           []point
	entries                          []entry
}

// compare returns the first difference.
func (e *expectation) compare(found ztoc) string {
	spans := len(e.points)
	if e.compression == compressionNone {
		spans = int((e.compressedSize + e.spanSize - 1) / e.spanSize)
	}
	for _, number := range []struct {
		name            string
		found, expected int64
	}{
		{"compression", int64(found.compression), int64(e.compression)},
		{"compressed size", found.compressedSize, e.compressedSize},
		{"uncompressed size", found.uncompressedSize, e.uncompressedSize},
		{"span size", found.spanSize, e.spanSize},
		{"largest span", int64(found.maxSpan), int64(spans - 1)},
		{"digests", int64(len(found.digests)), int64(spans)},
		{"checkpoints", int64(len(found.points)), int64(len(e.points))},
		{"entries", int64(len(found.entries)), int64(len(e.entries))},
	} {
		if number.found != number.expected {
			return fmt.Sprintf("%s: %d, expected %d", number.name, number.found, number.expected)
		}
	}
	if found.version != "0.9" {
		return "version " + found.version
	}
	for index, expected := range e.entries {
		if one, two := fmt.Sprintf("%+q", found.entries[index]), fmt.Sprintf("%+q", expected); one != two {
			return fmt.Sprintf("entry %d: %s\nexpected %s", index, one, two)
		}
	}
	for index, expected := range e.points {
		if found.points[index] != expected {
			return fmt.Sprintf("checkpoint %d: %+v, expected %+v", index, found.points[index], expected)
		}
		window := e.plain[max(0, expected.output-windowSize):expected.output]
		window = slices.Concat(make([]byte, windowSize-len(window)), window)
		if !bytes.Equal(found.windows[index], window) {
			return fmt.Sprintf("checkpoint %d has another window", index)
		}
	}
	return e.compareTarSpans(found)
}

// compareTarSpans compares the digests of the spans of a plain tar.
func (e *expectation) compareTarSpans(found ztoc) string {
	if e.compression != compressionNone {
		return ""
	}
	if found.tarSize != e.compressedSize {
		return "another size in the table of spans"
	}
	for index, digest := range found.digests {
		start := int64(index) * e.spanSize
		end := min(start+e.spanSize, e.compressedSize)
		if expected := fmt.Sprintf("sha256:%x", sha256.Sum256(e.plain[start:end])); digest != expected {
			return fmt.Sprintf("span %d: digest %s, expected %s", index, digest, expected)
		}
	}
	return ""
}

// A table of a flatbuffer. Its methods panic if an offset leads out of the buffer.
type table struct {
	buffer   []byte
	position int
}

func (t table) u32(at int) int { return int(binary.LittleEndian.Uint32(t.buffer[at:])) }

// field returns the position of a field, or 0 if it is missing.
func (t table) field(slot int) int {
	vtable := t.position - int(int32(binary.LittleEndian.Uint32(t.buffer[t.position:])))
	at := 4 + 2*slot
	if at >= int(binary.LittleEndian.Uint16(t.buffer[vtable:])) {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(t.buffer[vtable+at:]))
	if offset == 0 {
		return 0
	}
	return t.position + offset
}

func (t table) i64(slot int) int64 {
	at := t.field(slot)
	if at == 0 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(t.buffer[at:]))
}

func (t table) i32(slot int) int32 {
	at := t.field(slot)
	if at == 0 {
		return 0
	}
	return int32(t.u32(at))
}

func (t table) data(slot int) []byte {
	at := t.field(slot)
	if at == 0 {
		return nil
	}
	at += t.u32(at)
	return t.buffer[at+4 : at+4+t.u32(at)]
}

func (t table) text(slot int) string { return string(t.data(slot)) }

func (t table) child(slot int) table {
	at := t.field(slot)
	return table{t.buffer, at + t.u32(at)}
}

// vector returns the targets of a vector of offsets.
func (t table) vector(slot int) []table {
	at := t.field(slot)
	if at == 0 {
		return nil
	}
	at += t.u32(at)
	targets := make([]table, t.u32(at))
	for index := range targets {
		element := at + 4 + 4*index
		targets[index] = table{t.buffer, element + t.u32(element)}
	}
	return targets
}

func rootOf(buffer []byte) table {
	return table{buffer, int(binary.LittleEndian.Uint32(buffer))}
}

func parseZtoc(buffer []byte) ztoc {
	root := rootOf(buffer)
	info := root.child(5)
	parsed := ztoc{
		version:          root.text(0),
		compressedSize:   root.i64(2),
		uncompressedSize: root.i64(3),
		compression:      compressionGzip,
		maxSpan:          info.i32(1),
	}
	if at := info.field(0); at != 0 {
		parsed.compression = buffer[at]
	}
	for _, member := range root.child(4).vector(0) {
		parsed.entries = append(parsed.entries, parseEntry(member))
	}
	for _, digest := range info.vector(2) {
		length := digest.u32(digest.position)
		parsed.digests = append(parsed.digests, string(buffer[digest.position+4:digest.position+4+length]))
	}
	parsed.parseCheckpoints(info.data(3))
	return parsed
}

func parseEntry(member table) entry {
	parsed := entry{
		name: member.text(0), kind: member.text(1), offset: member.i64(2), size: member.i64(3),
		linkname: member.text(4), mode: member.i64(5), uid: uint32(member.i32(6)), gid: uint32(member.i32(7)),
		uname: member.text(8), gname: member.text(9), modTime: member.text(10),
		devmajor: member.i64(11), devminor: member.i64(12), records: []record{},
	}
	for _, pair := range member.vector(13) {
		parsed.records = append(parsed.records, record{pair.text(0), pair.text(1)})
	}
	return parsed
}

func (z *ztoc) parseCheckpoints(data []byte) {
	if z.compression == compressionNone {
		info := rootOf(data)
		z.spanSize, z.tarSize = info.i64(1), info.i64(2)
		return
	}
	count := int(int32(binary.LittleEndian.Uint32(data)))
	z.spanSize = int64(binary.LittleEndian.Uint64(data[4:]))
	data = data[12:]
	for range count {
		z.points = append(z.points, point{
			input:      int64(binary.LittleEndian.Uint64(data)),
			output:     int64(binary.LittleEndian.Uint64(data[8:])),
			unusedBits: data[16],
		})
		z.windows = append(z.windows, data[17:17+windowSize])
		data = data[17+windowSize:]
	}
	if len(data) != 0 {
		panic("bytes follow the list of checkpoints")
	}
}
