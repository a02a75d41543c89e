// The oracle is an independent reading of layers and ztocs, with Go's archive/tar and
// compress/gzip, and with an inflater and a decoder of ztocs of its own. It shares no code with the tools.
//
// Without arguments it reads cases from its input, and answers each with what it disagrees about:
//
//	case    u8 compression (1 gzip, 2 none), u64 span size, u8 outcome, bytes layer, bytes ztoc
//	answer  bytes text, empty if it agrees
//
// Numbers are little endian, and `bytes` is a u32 length with as many bytes. The outcomes are those of
// the constants below. `oracle generate SEED COUNT` writes COUNT random tars, each as `bytes`.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
)

// The outcomes of building a ztoc.
const (
	outcomeZtoc  = 0 // there is a ztoc
	outcomeGzip  = 1 // the gzip stream is damaged
	outcomeTar   = 2 // the tar is damaged
	outcomeEntry = 3 // the tar has an entry that a ztoc cannot hold
)

// The compressions, as a ztoc names them.
const (
	compressionGzip = 1
	compressionNone = 2
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	if len(arguments) == 3 && arguments[0] == "generate" {
		seed, err := strconv.ParseUint(arguments[1], 10, 64)
		if err != nil {
			return err
		}
		count, err := strconv.Atoi(arguments[2])
		if err != nil {
			return err
		}
		for number := range count {
			if err := writeBytes(output, randomTar(seed+uint64(number))); err != nil {
				return err
			}
		}
		return nil
	}
	if len(arguments) != 0 {
		return fmt.Errorf("usage: oracle [generate SEED COUNT]")
	}
	return judgeAll(bufio.NewReaderSize(os.Stdin, 1<<20), output)
}

func judgeAll(input *bufio.Reader, output *bufio.Writer) error {
	for {
		var head struct {
			Compression uint8
			SpanSize    uint64
			Outcome     uint8
		}
		err := binary.Read(input, binary.LittleEndian, &head)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		layer, err := readBytes(input)
		if err != nil {
			return err
		}
		ztoc, err := readBytes(input)
		if err != nil {
			return err
		}
		answer := judge(layer, ztoc, head.Compression, head.SpanSize, head.Outcome)
		if err := writeBytes(output, []byte(answer)); err != nil {
			return err
		}
		if input.Buffered() == 0 {
			if err := output.Flush(); err != nil {
				return err
			}
		}
	}
}

// judge returns what is wrong with the outcome for a layer, or "".
func judge(layer, ztoc []byte, compression uint8, spanSize uint64, outcome uint8) (answer string) {
	// A panic is a fault of the ztoc: its offsets lead out of it.
	defer func() {
		if reason := recover(); reason != nil {
			answer = fmt.Sprint("panic: ", reason)
		}
	}()
	expected, reason := expect(layer, compression, spanSize)
	if reason == errOldSparse && outcome == outcomeEntry {
		return ""
	}
	if expected.outcome != outcome {
		return fmt.Sprintf("outcome %d, expected %d (%v)", outcome, expected.outcome, reason)
	}
	if outcome != outcomeZtoc {
		return ""
	}
	found := parseZtoc(ztoc)
	if difference := expected.compare(found); difference != "" {
		return difference
	}
	if compression == compressionGzip {
		return checkSpans(layer, expected.plain, found)
	}
	return ""
}

// expect reads a layer without the tools.
func expect(layer []byte, compression uint8, spanSize uint64) (expectation, error) {
	expected := expectation{
		compression:    compression,
		compressedSize: int64(len(layer)),
		spanSize:       int64(spanSize),
		plain:          layer,
	}
	if compression == compressionGzip {
		plain, points, err := inflateLayer(layer, spanSize)
		if err != nil {
			return expectation{outcome: outcomeGzip}, err
		}
		expected.plain, expected.points = plain, points
	}
	outcome, entries, size, err := readTar(bytes.NewReader(expected.plain))
	expected.outcome, expected.entries, expected.uncompressedSize = outcome, entries, size
	return expected, err
}

func readBytes(input io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(input, binary.LittleEndian, &length); err != nil {
		return nil, err
	}
	data := make([]byte, length)
	_, err := io.ReadFull(input, data)
	return data, err
}

func writeBytes(output io.Writer, data []byte) error {
	if err := binary.Write(output, binary.LittleEndian, uint32(len(data))); err != nil {
		return err
	}
	_, err := output.Write(data)
	return err
}
