package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// randomTar returns a tar that archive/tar wrote.
func randomTar(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	var output bytes.Buffer
	writer := tar.NewWriter(&output)
	formats := []tar.Format{tar.FormatUnknown, tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU}
	format := formats[random.IntN(len(formats))]
	for number := range random.IntN(9) {
		header := randomHeader(random, number, format)
		// A format that cannot hold a value is refused, and the entry left out.
		if writer.WriteHeader(header) != nil {
			continue
		}
		content := make([]byte, header.Size)
		for index := range content {
			content[index] = "abcdefgh\n"[random.IntN(9)]
		}
		if _, err := writer.Write(content); err != nil {
			break
		}
	}
	if random.IntN(10) > 0 {
		_ = writer.Close()
	} else {
		_ = writer.Flush()
	}
	return output.Bytes()
}

func randomHeader(random *rand.Rand, number int, format tar.Format) *tar.Header {
	kinds := []byte{tar.TypeReg, tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeFifo}
	header := &tar.Header{
		Typeflag: kinds[random.IntN(len(kinds))],
		Name:     randomName(random, number),
		Mode:     int64(random.IntN(0o10000)),
		Uid:      random.IntN(1 << (1 + random.IntN(24))),
		Gid:      random.IntN(1 << (1 + random.IntN(31))),
		Uname:    randomName(random, number)[:random.IntN(5)],
		ModTime:  time.Unix(random.Int64N(1<<33), int64(random.IntN(2)*random.IntN(1e9))),
		Format:   format,
	}
	switch header.Typeflag {
	case tar.TypeReg:
		header.Size = random.Int64N(1 << (1 + random.IntN(13)))
	case tar.TypeDir:
		header.Name += "/"
	case tar.TypeSymlink, tar.TypeLink:
		header.Linkname = randomName(random, random.IntN(number+1))
	case tar.TypeChar:
		header.Devmajor, header.Devminor = random.Int64N(300), random.Int64N(70000)
	}
	if format == tar.FormatPAX || format == tar.FormatUnknown {
		header.PAXRecords = map[string]string{}
		for range random.IntN(4) {
			key := fmt.Sprintf("SCHILY.xattr.user.k%d", random.IntN(9))
			header.PAXRecords[key] = strings.Repeat("v\x00\xff"[:1+random.IntN(3)], random.IntN(40))
		}
	}
	return header
}

func randomName(random *rand.Rand, number int) string {
	parts := []string{"usr", "./lib", "ü", "a b", "\xff", strings.Repeat("long", 30), strings.Repeat("d/", 60), ".wh.x"}
	name := fmt.Sprintf("file%d", number)
	for range random.IntN(3) {
		name = parts[random.IntN(len(parts))] + "/" + name
	}
	return name
}
