// Package azblob is the store in a container of Azure Blob Storage.
//
// A document is a ring of blobs, one for each generation that is kept, and each
// blob's metadata holds its number. A generation is written over the oldest
// one, on condition that the blob still has the ETag it had when the document
// was read; so a checkpoint costs one request, five generations stay, and of
// two writers one is refused (412), however long it slept.
package azblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Store keeps documents and objects in a container.
type Store struct {
	c *container.Client

	mu    sync.Mutex
	rings map[string]*ring
}

// ring is what is known of a document's blobs.
type ring struct {
	newest int64
	etags  [engine.KeptGenerations]*azcore.ETag
}

var _ engine.Store = (*Store)(nil)

// Open returns the store in the container with this URL, for the identity of
// cred. It has to be there: one that was made of a misspelt address would begin
// the collection anew. transport sends the requests; nil is the usual one.
func Open(ctx context.Context, containerURL string, cred azcore.TokenCredential, transport policy.Transporter) (*Store, error) {
	if err := checkURL(containerURL); err != nil {
		return nil, &engine.Error{Kind: engine.Permanent, Op: "open the store", Reason: "store_address", Err: err,
			Hint: "it is like https://ACCOUNT.blob.core.windows.net/sluice: store: {container: …}, or SLUICE_STORE"}
	}
	c, err := container.NewClient(containerURL, cred, &container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: transport}})
	if err != nil {
		return nil, err
	}
	return open(ctx, c)
}

func checkURL(at string) error {
	u, err := url.Parse(at)
	switch {
	case err != nil, u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%q is not the https address of a container", at)
	case strings.Trim(u.Path, "/") == "":
		return fmt.Errorf("%q names an account and no container", at)
	case u.RawQuery != "" || u.User != nil:
		return fmt.Errorf("the address of the container %s has a query or a user", u.Host+u.Path) // which may be a secret
	}
	return nil
}

// OpenConnectionString returns the store in a container of the account that a
// connection string names, which it makes if need be: it is how a function app
// names the storage that is its own.
func OpenConnectionString(ctx context.Context, conn, name string) (*Store, error) {
	c, err := container.NewClientFromConnectionString(conn, name, nil)
	if err != nil {
		return nil, errors.New("the storage connection string is not valid") // the text holds a key
	}
	_, _ = c.Create(ctx, nil) // it may be there already, also for who may not make it: open tells
	return open(ctx, c)
}

func open(ctx context.Context, c *container.Client) (*Store, error) {
	if _, err := c.GetProperties(ctx, nil); err != nil {
		return nil, explain("open the store "+c.URL(), err)
	}
	return &Store{c: c, rings: map[string]*ring{}}, nil
}

// explain turns an error of the service into one that says what to do.
func explain(op string, err error) error {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return &engine.Error{Kind: engine.Transient, Op: op, Reason: "store_unreachable", Hint: "check the store's address and the network", Err: err}
	}
	e := &engine.Error{Kind: engine.Transient, Op: op, Reason: "store_error", Err: fmt.Errorf("%d %s", re.StatusCode, re.ErrorCode)}
	switch re.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		e.Kind, e.Reason, e.Hint = engine.Auth, "store_denied", "give the identity the role Storage Blob Data Contributor on the container; a new role takes minutes to act"
	case http.StatusNotFound:
		e.Kind, e.Reason, e.Hint = engine.Permanent, "store_missing", "there is no such container: correct its address, or create it if this is the first run"
	}
	return e
}

func slotName(name string, n int64) string {
	return name + "/" + strconv.FormatInt(n%engine.KeptGenerations, 10)
}

// Generations implements engine.Store.
func (s *Store) Generations(ctx context.Context, name string) ([]engine.Generation, error) {
	r, err := s.look(ctx, name)
	if err != nil {
		return nil, err
	}
	var gens []engine.Generation
	for slot, tag := range r.etags {
		if tag == nil {
			continue
		}
		resp, err := s.c.NewBlobClient(slotName(name, int64(slot))).DownloadStream(ctx, nil)
		if err != nil {
			return nil, explain("read "+name, err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, explain("read "+name, err)
		}
		gens = append(gens, engine.Generation{Number: number(resp.Metadata), Data: data})
	}
	slices.SortFunc(gens, func(a, b engine.Generation) int { return int(b.Number - a.Number) })
	return gens, nil
}

// number reads a generation's number; a blob that lost it counts as the oldest.
func number(metadata map[string]*string) int64 {
	for k, v := range metadata {
		if strings.EqualFold(k, "generation") && v != nil {
			n, _ := strconv.ParseInt(*v, 10, 64)
			return n
		}
	}
	return 0
}

// look reads the ETags and numbers of a document's blobs.
func (s *Store) look(ctx context.Context, name string) (*ring, error) {
	r := &ring{}
	pages := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr(name + "/"), Include: container.ListBlobsInclude{Metadata: true},
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("read "+name, err)
		}
		for _, item := range page.Segment.BlobItems {
			slot, err := strconv.Atoi(strings.TrimPrefix(*item.Name, name+"/"))
			if err != nil || slot < 0 || slot >= engine.KeptGenerations {
				continue
			}
			r.etags[slot] = item.Properties.ETag
			r.newest = max(r.newest, number(item.Metadata))
		}
	}
	s.mu.Lock()
	s.rings[name] = r
	s.mu.Unlock()
	return r, nil
}

// Append implements engine.Store.
func (s *Store) Append(ctx context.Context, name string, after int64, data []byte) error {
	s.mu.Lock()
	r := s.rings[name]
	s.mu.Unlock()
	if r == nil {
		var err error
		if r, err = s.look(ctx, name); err != nil {
			return err
		}
	}
	if r.newest != after {
		return engine.ErrConflict
	}
	n := after + 1
	tag := r.etags[n%engine.KeptGenerations]
	cond := &blob.ModifiedAccessConditions{IfMatch: tag}
	if tag == nil {
		cond.IfNoneMatch = to.Ptr(azcore.ETagAny)
	}
	resp, err := s.c.NewBlockBlobClient(slotName(name, n)).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
		Metadata:         map[string]*string{"generation": to.Ptr(strconv.FormatInt(n, 10))},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: cond},
	})
	if bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.BlobAlreadyExists) {
		// A write of our own that was repeated after a lost answer looks the same.
		if s.wrote(ctx, name, n, data, r) {
			return nil
		}
		return engine.ErrConflict
	}
	if err != nil {
		return explain("write "+name, err)
	}
	s.mu.Lock()
	r.newest, r.etags[n%engine.KeptGenerations] = n, resp.ETag
	s.mu.Unlock()
	return nil
}

// wrote reports whether generation n is what we wanted to write. Checkpoints
// name their writer and the time, so equal content means that it was us.
func (s *Store) wrote(ctx context.Context, name string, n int64, data []byte, r *ring) bool {
	resp, err := s.c.NewBlobClient(slotName(name, n)).DownloadStream(ctx, nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || number(resp.Metadata) != n || !bytes.Equal(got, data) {
		return false
	}
	s.mu.Lock()
	r.newest, r.etags[n%engine.KeptGenerations] = n, resp.ETag
	s.mu.Unlock()
	return true
}

// Put implements engine.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	_, err := s.c.NewBlockBlobClient(name).UploadBuffer(ctx, data, nil)
	if err != nil {
		return explain("write "+name, err)
	}
	return nil
}

// Get implements engine.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	resp, err := s.c.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return nil, missing("read "+name, name, err)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func missing(op, name string, err error) error {
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return fmt.Errorf("%s: %w", name, engine.ErrNotFound)
	}
	return explain(op, err)
}

// Delete implements engine.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if _, err := s.c.NewBlobClient(name).Delete(ctx, nil); err != nil {
		return missing("delete "+name, name, err)
	}
	return nil
}

// List implements engine.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		pages := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(prefix)})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield("", explain("list "+prefix, err))
				return
			}
			for _, item := range page.Segment.BlobItems {
				if !yield(*item.Name, nil) {
					return
				}
			}
		}
	}
}

// AddLine implements engine.Store with an append blob.
func (s *Store) AddLine(ctx context.Context, name string, line []byte) error {
	c := s.c.NewAppendBlobClient(name)
	body := append(slices.Clone(line), '\n')
	_, err := c.AppendBlock(ctx, streaming.NopCloser(bytes.NewReader(body)), nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		if _, err = c.Create(ctx, nil); err == nil {
			_, err = c.AppendBlock(ctx, streaming.NopCloser(bytes.NewReader(body)), nil)
		}
	}
	if err != nil {
		return explain("write "+name, err)
	}
	return nil
}
