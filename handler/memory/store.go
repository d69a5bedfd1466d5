// Package memory has an engine's surroundings without a disk, a service or a
// clock: for cases, for tests, for a look at what would happen.
package memory

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Store is a store in memory.
type Store struct {
	mu      sync.Mutex
	docs    map[string][]engine.Generation // newest first
	objects map[string][]byte
}

var _ engine.Store = (*Store)(nil)

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{docs: map[string][]engine.Generation{}, objects: map[string][]byte{}}
}

// Generations implements engine.Store.
func (s *Store) Generations(_ context.Context, name string) ([]engine.Generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.docs[name]), nil
}

// Append implements engine.Store.
func (s *Store) Append(_ context.Context, name string, after int64, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gens := s.docs[name]
	newest := int64(0)
	if len(gens) > 0 {
		newest = gens[0].Number
	}
	if newest != after {
		return engine.ErrConflict
	}
	gens = append([]engine.Generation{{Number: after + 1, Data: bytes.Clone(data)}}, gens...)
	s.docs[name] = gens[:min(len(gens), engine.KeptGenerations)]
	return nil
}

// Damage overwrites the newest generation of a document, or deletes it for nil.
func (s *Store) Damage(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data == nil {
		s.docs[name] = s.docs[name][1:]
		return
	}
	s.docs[name][0].Data = data
}

// Put implements engine.Store.
func (s *Store) Put(_ context.Context, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = bytes.Clone(data)
	return nil
}

// Get implements engine.Store.
func (s *Store) Get(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[name]
	if !ok {
		return nil, engine.ErrNotFound
	}
	return bytes.Clone(data), nil
}

// Delete implements engine.Store.
func (s *Store) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[name]; !ok {
		return engine.ErrNotFound
	}
	delete(s.objects, name)
	return nil
}

// List implements engine.Store.
func (s *Store) List(_ context.Context, prefix string) iter.Seq2[string, error] {
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.objects))
	s.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, n := range names {
			if strings.HasPrefix(n, prefix) && !yield(n, nil) {
				return
			}
		}
	}
}

// AddLine implements engine.Store.
func (s *Store) AddLine(_ context.Context, name string, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = append(append(s.objects[name], line...), '\n')
	return nil
}
