package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
)

const windowSize = 32768

// A point from which inflating can resume: after a gzip header, or after a block that is not the last
// one of its member.
type point struct {
	input, output int64
	unusedBits    uint8
}

var errDeflate = errors.New("corrupt deflate stream")

// inflateLayer inflates all members with compress/gzip, which compares checksums, and walks the same
// bytes for the checkpoints.
func inflateLayer(layer []byte, spanSize uint64) ([]byte, []point, error) {
	source := bufio.NewReader(bytes.NewReader(layer))
	reader, err := gzip.NewReader(source)
	if err != nil {
		return nil, nil, err
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return nil, nil, err
	}
	var points []point
	last := int64(0)
	record := func(bit, output int64) error {
		if output != 0 && uint64(output-last) <= spanSize {
			return nil
		}
		input := (bit + 7) / 8
		points = append(points, point{input, output, uint8(8*input - bit)})
		last = output
		return nil
	}
	walk := &walker{bytes: layer}
	for walk.position() < int64(len(layer)) {
		start, err := skipHeader(layer, walk.position())
		if err != nil {
			return nil, nil, err
		}
		walk.seek(start)
		if err := record(8*start, int64(len(walk.output))); err != nil {
			return nil, nil, err
		}
		if err := walk.member(record); err != nil {
			return nil, nil, err
		}
		walk.seek(walk.position() + 8)
	}
	if !bytes.Equal(walk.output, plain) {
		return nil, nil, fmt.Errorf("compress/gzip and the walk of the oracle disagree")
	}
	return plain, points, nil
}

// skipHeader returns the offset after the gzip header at `start`, which gzip.Reader has accepted.
func skipHeader(layer []byte, start int64) (int64, error) {
	if start+10 > int64(len(layer)) {
		return 0, errDeflate
	}
	flags, at := layer[start+3], start+10
	// zlib refuses the flags that RFC 1952 reserves, and compress/gzip ignores them.
	if flags&0xe0 != 0 {
		return 0, errors.New("reserved flag")
	}
	if flags&4 != 0 {
		at += 2 + int64(layer[at]) + int64(layer[at+1])<<8
	}
	for _, flag := range []byte{8, 16} {
		if flags&flag != 0 {
			at += int64(bytes.IndexByte(layer[at:], 0)) + 1
		}
	}
	if flags&2 != 0 {
		at += 2
	}
	return at, nil
}

// checkSpans inflates each span from its checkpoint and its own bytes alone, and compares it with the
// plain tar.
func checkSpans(layer, plain []byte, found ztoc) string {
	for index, span := range found.points {
		start, end, limit := span.input, int64(len(layer)), found.uncompressedSize
		if span.unusedBits != 0 {
			start--
		}
		if index+1 < len(found.points) {
			end, limit = found.points[index+1].input, found.points[index+1].output
		}
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(layer[start:end]))
		if found.digests[index] != digest {
			return fmt.Sprintf("span %d: digest %s, expected %s", index, found.digests[index], digest)
		}
		expected := plain[span.output:max(limit, span.output)]
		output, err := inflateSpan(layer[start:end], span.unusedBits, found.windows[index], len(expected))
		if !bytes.HasPrefix(output, expected) {
			return fmt.Sprintf("span %d inflates to other bytes (%v)", index, err)
		}
	}
	return ""
}

// inflateSpan inflates at least `length` bytes, if there are as many. If bits of the first byte are
// unused, they are its high ones.
func inflateSpan(span []byte, unusedBits uint8, window []byte, length int) ([]byte, error) {
	walk := &walker{bytes: span, output: slices.Clone(window)}
	if unusedBits != 0 {
		walk.bit = 8 - int64(unusedBits)
	}
	enough := errors.New("enough")
	check := func(_, output int64) error {
		if int(output) >= windowSize+length {
			return enough
		}
		return nil
	}
	for {
		err := walk.member(check)
		if err != nil || len(walk.output) >= windowSize+length {
			return walk.output[windowSize:], err
		}
		start, err := skipHeader(span, walk.position()+8)
		if err != nil {
			return walk.output[windowSize:], err
		}
		walk.seek(start)
	}
}

// A walker inflates as RFC 1951 describes it, and knows at which bit each block ends.
type walker struct {
	bytes  []byte
	bit    int64
	output []byte
}

// position returns the offset of the next byte that is not begun.
func (w *walker) position() int64 { return (w.bit + 7) / 8 }

func (w *walker) seek(offset int64) { w.bit = 8 * offset }

func (w *walker) bits(count uint) (uint32, error) {
	if w.bit+int64(count) > 8*int64(len(w.bytes)) {
		return 0, errDeflate
	}
	value := uint32(0)
	for taken := uint(0); taken < count; {
		offset := uint(w.bit & 7)
		part := min(8-offset, count-taken)
		value |= uint32(w.bytes[w.bit>>3]>>offset&(1<<part-1)) << taken
		w.bit += int64(part)
		taken += part
	}
	return value, nil
}

// member inflates the blocks of a member. It calls `between` after each block but the last one, and
// ends with its error.
func (w *walker) member(between func(bit, output int64) error) error {
	for {
		head, err := w.bits(3)
		if err != nil {
			return err
		}
		switch head >> 1 {
		case 0:
			err = w.stored()
		case 1:
			err = w.compressed(fixedCodes())
		case 2:
			var lengths, distances *code
			if lengths, distances, err = w.dynamicCodes(); err == nil {
				err = w.compressed(lengths, distances)
			}
		default:
			err = errDeflate
		}
		if err != nil || head&1 == 1 {
			return err
		}
		if err := between(w.bit, int64(len(w.output))); err != nil {
			return err
		}
	}
}

func (w *walker) stored() error {
	w.seek(w.position())
	length, err := w.bits(16)
	if err == nil {
		_, err = w.bits(16)
	}
	start := w.position()
	if err != nil || start+int64(length) > int64(len(w.bytes)) {
		return errDeflate
	}
	w.output = append(w.output, w.bytes[start:start+int64(length)]...)
	w.seek(start + int64(length))
	return nil
}

// A code is a canonical Huffman code: how many symbols have each length, and the symbols in order.
type code struct {
	counts  [16]uint16
	symbols []uint16
}

func newCode(lengths []uint8) *code {
	c := &code{symbols: make([]uint16, len(lengths))}
	for _, length := range lengths {
		c.counts[length]++
	}
	var offsets [16]uint16
	for length := 1; length < 15; length++ {
		offsets[length+1] = offsets[length] + c.counts[length]
	}
	for symbol, length := range lengths {
		if length != 0 {
			c.symbols[offsets[length]] = uint16(symbol)
			offsets[length]++
		}
	}
	return c
}

func (w *walker) symbol(c *code) (int, error) {
	value, first, index := 0, 0, 0
	end := 8 * int64(len(w.bytes))
	for length := 1; length < 16; length++ {
		if w.bit >= end {
			return 0, errDeflate
		}
		value |= int(w.bytes[w.bit>>3]>>(w.bit&7)) & 1
		w.bit++
		count := int(c.counts[length])
		if value-count < first {
			return int(c.symbols[index+value-first]), nil
		}
		index += count
		first = (first + count) << 1
		value <<= 1
	}
	return 0, errDeflate
}

var fixedLengths, fixedDistances *code

func fixedCodes() (*code, *code) {
	if fixedLengths == nil {
		var lengths [288]uint8
		for symbol := range lengths {
			switch {
			case symbol < 144:
				lengths[symbol] = 8
			case symbol < 256:
				lengths[symbol] = 9
			case symbol < 280:
				lengths[symbol] = 7
			default:
				lengths[symbol] = 8
			}
		}
		fixedLengths = newCode(lengths[:])
		fixedDistances = newCode(bytes.Repeat([]byte{5}, 30))
	}
	return fixedLengths, fixedDistances
}

func (w *walker) dynamicCodes() (*code, *code, error) {
	head, err := w.bits(14)
	if err != nil {
		return nil, nil, err
	}
	literals, distances, count := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var small [19]uint8
	for index := range count {
		length, err := w.bits(3)
		if err != nil {
			return nil, nil, err
		}
		small[order[index]] = uint8(length)
	}
	codeLengths := newCode(small[:])
	lengths := make([]uint8, 0, 320)
	for len(lengths) < literals+distances {
		symbol, err := w.symbol(codeLengths)
		if err != nil {
			return nil, nil, err
		}
		if symbol < 16 {
			lengths = append(lengths, uint8(symbol))
			continue
		}
		repeat, width, least := uint8(0), uint(3), uint32(3)
		switch symbol {
		case 16:
			if len(lengths) == 0 {
				return nil, nil, errDeflate
			}
			repeat, width = lengths[len(lengths)-1], 2
		case 18:
			width, least = 7, 11
		}
		times, err := w.bits(width)
		if err != nil {
			return nil, nil, err
		}
		lengths = append(lengths, bytes.Repeat([]byte{repeat}, int(times+least))...)
	}
	if len(lengths) > literals+distances {
		return nil, nil, errDeflate
	}
	return newCode(lengths[:literals]), newCode(lengths[literals:]), nil
}

var lengthBase = []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
var lengthBits = []uint{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
var distanceBase = []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}

func (w *walker) compressed(lengths, distances *code) error {
	for {
		symbol, err := w.symbol(lengths)
		if err != nil {
			return err
		}
		if symbol < 256 {
			w.output = append(w.output, byte(symbol))
			continue
		}
		if symbol == 256 {
			return nil
		}
		if symbol > 285 {
			return errDeflate
		}
		extra, err := w.bits(lengthBits[symbol-257])
		if err != nil {
			return err
		}
		length := lengthBase[symbol-257] + int(extra)
		symbol, err = w.symbol(distances)
		if err != nil || symbol > 29 {
			return errDeflate
		}
		extra, err = w.bits(uint(max(symbol/2-1, 0)))
		distance := distanceBase[symbol] + int(extra)
		if err != nil || distance > len(w.output) {
			return errDeflate
		}
		for range length {
			w.output = append(w.output, w.output[len(w.output)-distance])
		}
	}
}
