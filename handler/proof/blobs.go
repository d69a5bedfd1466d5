package proof

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Blobs is a container of Azure Blob Storage in memory, with as much of the
// REST API as the store uses: block and append blobs, ETags and conditions,
// metadata, listings in pages (learn.microsoft.com, "Blob service REST API").
// The store's conformance suite runs over it and over Azurite alike.
type Blobs struct {
	mu      sync.Mutex
	blobs   map[string]*blob
	version int

	wrote func(name string, generation int64, data []byte) // told of each write
}

type blob struct {
	data     []byte
	etag     string
	kind     string
	metadata map[string]string
}

// NewBlobs returns an empty container.
func NewBlobs() *Blobs {
	return &Blobs{blobs: map[string]*blob{}, wrote: func(string, int64, []byte) {}}
}

// pageOfBlobs is how many blobs a page of a listing has; few, so that there are pages.
const pageOfBlobs = 3

// ServeHTTP implements http.Handler. The first part of a path is the container.
func (b *Blobs) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := req.URL.Query()
	_, name, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	body, err := io.ReadAll(req.Body)
	switch {
	case err != nil:
		fail(rw, http.StatusBadRequest, "InvalidInput")
	case q.Get("restype") == "container" && req.Method == http.MethodGet && q.Get("comp") == "": // its properties
		rw.WriteHeader(http.StatusOK)
	case q.Get("restype") == "container" && req.Method == http.MethodPut:
		fail(rw, http.StatusConflict, "ContainerAlreadyExists")
	case q.Get("comp") == "list":
		b.list(rw, q.Get("prefix"), q.Get("marker"), strings.Contains(q.Get("include"), "metadata"))
	case req.Method == http.MethodPut && q.Get("comp") == "appendblock":
		b.appendBlock(rw, name, body)
	case req.Method == http.MethodPut:
		b.put(rw, req, name, body)
	case b.blobs[name] == nil:
		fail(rw, http.StatusNotFound, "BlobNotFound")
	case req.Method == http.MethodDelete:
		delete(b.blobs, name)
		rw.WriteHeader(http.StatusAccepted)
	default:
		x := b.blobs[name]
		x.describe(rw.Header())
		rw.WriteHeader(http.StatusOK)
		_, _ = rw.Write(x.data)
	}
}

func fail(rw http.ResponseWriter, status int, code string) {
	rw.Header().Set("x-ms-error-code", code)
	rw.Header().Set("Content-Type", "application/xml")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code></Error>", code)
}

func (x *blob) describe(h http.Header) {
	h.Set("ETag", x.etag)
	h.Set("x-ms-blob-type", x.kind)
	h.Set("Content-Length", fmt.Sprint(len(x.data)))
	for k, v := range x.metadata {
		h.Set("x-ms-meta-"+k, v)
	}
}

// put is Put Blob with its conditions.
func (b *Blobs) put(rw http.ResponseWriter, req *http.Request, name string, body []byte) {
	old := b.blobs[name]
	match, none := req.Header.Get("If-Match"), req.Header.Get("If-None-Match")
	switch {
	case none == "*" && old != nil:
		fail(rw, http.StatusConflict, "BlobAlreadyExists")
		return
	case match != "" && (old == nil || old.etag != match):
		fail(rw, http.StatusPreconditionFailed, "ConditionNotMet")
		return
	}
	b.version++
	x := &blob{data: body, etag: fmt.Sprintf(`"0x%X"`, b.version), kind: req.Header.Get("x-ms-blob-type"), metadata: map[string]string{}}
	for k, v := range req.Header {
		if m, ok := strings.CutPrefix(strings.ToLower(k), "x-ms-meta-"); ok {
			x.metadata[m] = v[0]
		}
	}
	b.blobs[name] = x
	rw.Header().Set("ETag", x.etag)
	rw.WriteHeader(http.StatusCreated)
	var generation int64
	if _, err := fmt.Sscan(x.metadata["generation"], &generation); err == nil {
		name = name[:strings.LastIndexByte(name, '/')]
	}
	if x.kind != "AppendBlob" { // which is empty when it is made
		b.wrote(name, generation, body)
	}
}

func (b *Blobs) appendBlock(rw http.ResponseWriter, name string, body []byte) {
	x := b.blobs[name]
	if x == nil {
		fail(rw, http.StatusNotFound, "BlobNotFound")
		return
	}
	b.version++
	x.data, x.etag = append(slices.Clone(x.data), body...), fmt.Sprintf(`"0x%X"`, b.version)
	rw.Header().Set("ETag", x.etag)
	rw.WriteHeader(http.StatusCreated)
	b.wrote(name, 0, body)
}

// list is List Blobs, a page of it.
func (b *Blobs) list(rw http.ResponseWriter, prefix, marker string, metadata bool) {
	type property struct {
		ETag string `xml:"Etag"`
		Type string `xml:"BlobType"`
	}
	type meta struct {
		Entries []xmlEntry
	}
	type item struct {
		Name       string
		Properties property
		Metadata   *meta
	}
	var out struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Blobs   struct{ Blob []item }
		Next    string `xml:"NextMarker"`
	}
	for _, name := range slices.Sorted(maps.Keys(b.blobs)) {
		if !strings.HasPrefix(name, prefix) || name < marker {
			continue
		}
		if len(out.Blobs.Blob) == pageOfBlobs {
			out.Next = name
			break
		}
		x := b.blobs[name]
		it := item{Name: name, Properties: property{x.etag, x.kind}}
		if metadata {
			it.Metadata = &meta{}
			for k, v := range x.metadata {
				it.Metadata.Entries = append(it.Metadata.Entries, xmlEntry{xml.Name{Local: k}, v})
			}
		}
		out.Blobs.Blob = append(out.Blobs.Blob, it)
	}
	rw.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(rw).Encode(out)
}

// xmlEntry is an element that is named after its key.
type xmlEntry struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// Overwrite puts data in the place of a generation of a document, as no writer
// does, or deletes it for nil.
func (b *Blobs) Overwrite(name string, generation int64, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, x := range b.blobs {
		if strings.HasPrefix(n, name+"/") && x.metadata["generation"] == fmt.Sprint(generation) {
			if x.data = data; data == nil { // else as a worn disk does: the ETag stays
				delete(b.blobs, n)
			}
		}
	}
}
