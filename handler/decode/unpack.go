package decode

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// layers is how often a body may be packed: by the provider, and once more by a server
// on the way.
const layers = 3

// unpack takes off what a body is packed in, whether that was said or not: a header
// and a stream's declaration may both speak of one and the same compression.
func unpack(o Options, body []byte) ([]byte, error) {
	deflated := o.Compression == "deflate"
	for _, one := range strings.Split(strings.ToLower(o.ContentEncoding), ",") {
		switch one = strings.TrimSpace(one); one {
		case "", "identity", "gzip", "x-gzip":
		case "deflate":
			deflated = true
		default:
			if _, err := htmlindex.Get(one); err != nil { // some write the charset there
				return nil, fmt.Errorf("it is packed as %q, which was not asked for", o.ContentEncoding)
			}
		}
	}
	if deflated {
		out, err := o.inflate(body)
		if err != nil && (zlibHeader(body) || !beginsAsText(body)) {
			return nil, err
		}
		if err == nil {
			body = out
		}
	}
	for range layers {
		var err error
		switch {
		case bytes.HasPrefix(body, []byte{0x1f, 0x8b, 8}):
			body, err = o.read("gzip", body, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
		case bytes.HasPrefix(body, []byte("PK\x03\x04")), o.Compression == "zip" && bytes.HasPrefix(body, []byte("PK")):
			body, err = o.read("zip", body, func(io.Reader) (io.Reader, error) { return onlyFile(body) })
		case zlibHeader(body):
			out, failed := o.inflate(body)
			if errors.Is(failed, ErrTooLarge) {
				return nil, failed
			}
			if failed != nil { // a text that begins like this
				return body, nil
			}
			body = out
		default:
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return body, nil
}

// read unpacks up to the limit. Of an archive no name is used as one: what it holds
// goes nowhere but into memory.
func (o Options) read(what string, body []byte, open func(io.Reader) (io.Reader, error)) ([]byte, error) {
	r, err := open(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("it is no %s: %w", what, err)
	}
	out, err := ReadAll(r, 4*len(body), o.Room)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("it is no whole %s: %w", what, err)
	}
	return out, err
}

// inflate reads deflate; some leave the header out that it has in HTTP.
func (o Options) inflate(body []byte) ([]byte, error) {
	return o.read("deflate", body, func(r io.Reader) (io.Reader, error) {
		z, err := zlib.NewReader(r)
		if errors.Is(err, zlib.ErrHeader) {
			return flate.NewReader(bytes.NewReader(body)), nil
		}
		return z, err
	})
}

// zlibHeader reports whether a body begins as deflate with a header does (RFC 1950).
func zlibHeader(body []byte) bool {
	return len(body) > 6 && body[0] == 0x78 && (int(body[0])<<8|int(body[1]))%31 == 0 && body[1]&0x20 == 0
}

// beginsAsText reports whether a body begins as JSON, XML or a line does.
func beginsAsText(body []byte) bool {
	for _, c := range body[:min(len(body), 4)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// onlyFile opens the one file that an archive has to hold.
func onlyFile(body []byte) (io.Reader, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, err
	}
	var files []*zip.File
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			files = append(files, f)
		}
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the archive holds %d files, want one", len(files))
	}
	return files[0].Open()
}
