package arm

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// uniqueString is ARM's: the values with hyphens between, hashed to 64 bits, as 13
// letters and digits. The hash is a MurmurHash3 over two halves of 32 bits that no
// publication of its author has; its constants are those of projectkudu/kudu, class
// HashHelper, and Microsoft's Bicep compiler gives the same.
func uniqueString(parts []string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	h := hash64([]byte(strings.Join(parts, "-")))
	var text [13]byte
	for i := range text {
		text[i] = letters[h>>59]
		h <<= 5
	}
	return string(text[:])
}

func hash64(data []byte) uint64 {
	const (
		m1, m2, a1, a2, f1, f2 = 0x239b961b, 0xab0e9789, 0x561ccd1b, 0x0bcaa747, 0x85ebca6b, 0xc2b2ae35
	)
	var h1, h2 uint32
	rest := data
	for ; len(rest) >= 8; rest = rest[8:] {
		h1 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(rest)*m1, 15) * m2
		h1 = (bits.RotateLeft32(h1, 19)+h2)*5 + a1
		h2 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(rest[4:])*m2, 17) * m1
		h2 = (bits.RotateLeft32(h2, 13)+h1)*5 + a2
	}
	var tail [8]byte
	copy(tail[:], rest)
	if len(rest) > 4 {
		h2 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[4:])*m2, 17) * m1
	}
	if len(rest) > 0 {
		h1 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[:])*m1, 15) * m2
	}
	h1 ^= uint32(len(data))
	h2 ^= uint32(len(data))
	h1 += h2
	h2 += h1
	for _, h := range []*uint32{&h1, &h2} {
		*h = (*h ^ *h>>16) * f1
		*h = (*h ^ *h>>13) * f2
		*h ^= *h >> 16
	}
	h1 += h2
	h2 += h1
	return uint64(h2)<<32 | uint64(h1)
}
