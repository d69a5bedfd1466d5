package kql

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
)

// The functions that hash, encode and compress.

func init() {
	topic = "Hashes, encodings and compression"
	digest := func(name string, sum func([]byte) []byte) {
		built(name+"(value:plain) string", func(c *compiler, _ *call, a []code) (code, error) {
			return c.apply(&function{result: String, eval: func(m *Runner, a []Value) Value {
				return m.make(func(dst []byte) []byte { return hex.AppendEncode(dst, sum(a[0].S)) })
			}}, []code{c.cast(a[0], String)}), nil
		})
	}
	digest("hash_sha256", func(b []byte) []byte { s := sha256.Sum256(b); return s[:] })
	digest("hash_sha1", func(b []byte) []byte { s := sha1.Sum(b); return s[:] })
	digest("hash_md5", func(b []byte) []byte { s := md5.Sum(b); return s[:] })
	built("hash_xxhash64(value:plain, mod:integer?) long", hash).alias("hash")

	encode := func(m *Runner, a []Value) Value {
		return m.make(func(dst []byte) []byte { return base64.StdEncoding.AppendEncode(dst, a[0].S) })
	}
	pure("base64_encode_tostring(text:string) string", encode).alias("base64_encodestring")
	pure("base64_decode_tostring(text:string) string", func(m *Runner, a []Value) Value {
		b, ok := decode64(a[0].S)
		if !ok || !utf8.Valid(b) {
			return m.or(null)
		}
		return m.keepText(b)
	}).alias("base64_decodestring")
	pure("base64_decode_toarray(text:string) dynamic", func(m *Runner, a []Value) Value {
		b, ok := decode64(a[0].S)
		if !ok {
			return m.or(null)
		}
		list := make([][]byte, len(b))
		for i, c := range b {
			list[i] = appendPadded(nil, int64(c), 1)
		}
		return m.arrayOf(list)
	})
	pure("base64_encode_fromarray(bytes:array) string", func(m *Runner, a []Value) Value {
		var b []byte
		ok := isArray(a[0])
		for _, raw := range elementsOf(a[0]) {
			n := parseLong(raw)
			ok = ok && n.OK && n.N >= 0 && n.N <= 255
			b = append(b, byte(n.N))
		}
		if !ok {
			return m.or(null)
		}
		return encode(m, []Value{bytesValue(b)})
	})
	// The bytes of a guid stand in .NET's order.
	pure("base64_encode_fromguid(guid:guid) string", func(m *Runner, a []Value) Value {
		u, err := uuid.ParseBytes(a[0].S)
		if err != nil {
			return m.or(null)
		}
		return encode(m, []Value{bytesValue(swapGUID(u))})
	})
	pure("base64_decode_toguid(text:string) guid", func(m *Runner, a []Value) Value {
		b, ok := decode64(a[0].S)
		if !ok || len(b) != 16 {
			return m.or(null)
		}
		return m.keepText([]byte(uuid.UUID(swapGUID(uuid.UUID(b))).String()))
	})
	id := pure("new_guid() guid", func(*Runner, []Value) Value { return textValue(uuid.NewString()) })
	id.varies = true

	pure("gzip_compress_to_base64_string(text:string) string", compress(func(dst, text []byte) []byte {
		dst = append(dst, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"...) // RFC 1952: deflate, no time, no system
		dst = appendDeflated(dst, text)
		dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(text))
		return binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
	}))
	pure("zlib_compress_to_base64_string(text:string) string", compress(func(dst, text []byte) []byte {
		dst = appendDeflated(append(dst, 0x78, 0x9c), text) // RFC 1950: deflate, usual level
		return binary.BigEndian.AppendUint32(dst, adler32.Checksum(text))
	}))
	pure("gzip_decompress_from_base64_string(text:string) string", decompress(func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }))
	pure("zlib_decompress_from_base64_string(text:string) string", decompress(zlib.NewReader))
}

// hash is the 64-bit xxHash of a text, or of the eight bytes of a number or time.
func hash(c *compiler, _ *call, a []code) (code, error) {
	t := a[0].typ
	args := []code{a[0]}
	if len(a) == 2 {
		args = append(args, a[1])
	}
	return c.apply(&function{result: Long, eval: func(m *Runner, a []Value) Value {
		var b [8]byte
		data := a[0].S
		if !isText(t) && t != GUID && t != Decimal {
			n := uint64(a[0].N)
			if t == Real {
				n = math.Float64bits(a[0].F)
			}
			data = binary.LittleEndian.AppendUint64(b[:0], n)
		}
		n := int64(xxhash.Sum64(data))
		if len(a) == 2 {
			return m.or(wholeArithmetic("%", n, a[1].N))
		}
		return longValue(n)
	}}, args), nil
}

// decode64 reads base64, padded or not.
func decode64(s []byte) ([]byte, bool) {
	b, err := base64.RawStdEncoding.AppendDecode(nil, bytes.TrimRight(s, "="))
	return b, err == nil
}

func swapGUID(u uuid.UUID) []byte {
	b := slices.Clone(u[:])
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b
}

func compress(pack func(dst, text []byte) []byte) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		packed := pack(nil, a[0].S)
		return m.make(func(dst []byte) []byte { return base64.StdEncoding.AppendEncode(dst, packed) })
	}
}

// appendDeflated packs text; what does not get shorter is stored as it is, in
// one block, as the service does.
func appendDeflated(dst, text []byte) []byte {
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, flate.DefaultCompression)
	_, _ = w.Write(text)
	_ = w.Close()
	if n := len(text); buf.Len() >= n+5 && n <= math.MaxUint16 {
		dst = binary.LittleEndian.AppendUint16(append(dst, 1), uint16(n))
		return append(binary.LittleEndian.AppendUint16(dst, ^uint16(n)), text...)
	}
	return append(dst, buf.Bytes()...)
}

// maxUnpacked bounds what a few compressed bytes may become.
const maxUnpacked = 1 << 20

func decompress(open func(io.Reader) (io.ReadCloser, error)) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		b, ok := decode64(a[0].S)
		if !ok {
			return m.or(null)
		}
		r, err := open(bytes.NewReader(b))
		if err != nil {
			return m.or(null)
		}
		out, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
		if err != nil || len(out) > maxUnpacked || !utf8.Valid(out) {
			return m.or(null)
		}
		return m.keepText(out)
	}
}
