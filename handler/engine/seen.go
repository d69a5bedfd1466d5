package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// idHash is the first 128 bits of the SHA-256 of a record's id.
type idHash [16]byte

func hashID(id []byte) idHash {
	sum := sha256.Sum256(id)
	return idHash(sum[:16])
}

// seenID is an id and when its record happened.
type seenID struct {
	hash idHash
	at   int64 // Unix milliseconds
}

// seenIDs is stored as base64 of 24 bytes an id, in the order of their arrival.
type seenIDs []seenID

// MarshalText implements encoding.TextMarshaler.
func (s seenIDs) MarshalText() ([]byte, error) { return s.appendText(nil), nil }

func (s seenIDs) appendText(dst []byte) []byte {
	var raw [24]byte // a multiple of three bytes: the texts of ids can be joined
	dst = slices.Grow(dst, len(s)*32)
	for _, id := range s {
		copy(raw[:], id.hash[:])
		binary.BigEndian.PutUint64(raw[16:], uint64(id.at))
		dst = base64.StdEncoding.AppendEncode(dst, raw[:])
	}
	return dst
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *seenIDs) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	if len(raw)%24 != 0 {
		return errors.New("seen ids are cut short")
	}
	*s = make(seenIDs, 0, len(raw)/24)
	for ; len(raw) > 0; raw = raw[24:] {
		*s = append(*s, seenID{idHash(raw[:16]), int64(binary.BigEndian.Uint64(raw[16:24]))})
	}
	return nil
}

// memory knows the ids that may be listed again. Ids are kept in the order of
// arrival, so that a checkpoint can hold exactly those of committed pages: an
// id of a page that was not acknowledged must not be remembered.
type memory struct {
	list []seenID
	set  map[idHash]int64 // when it happened; of an id that is there twice, the later time
}

func newMemory(ids seenIDs) *memory {
	m := &memory{list: ids, set: make(map[idHash]int64, len(ids))}
	for _, id := range ids {
		m.set[id.hash] = max(id.at, m.set[id.hash])
	}
	return m
}

func (m *memory) has(h idHash) bool {
	_, ok := m.set[h]
	return ok
}

// add remembers an id and reports whether it is new.
func (m *memory) add(h idHash, at time.Time) bool {
	if m.has(h) {
		return false
	}
	m.put(h, at.UnixMilli())
	return true
}

func (m *memory) put(h idHash, at int64) {
	m.set[h] = at
	m.list = append(m.list, seenID{h, at})
}

// again is add for an id that is there as of a time, known or not: it is
// remembered for as long as one of that time.
func (m *memory) again(h idHash, at time.Time) bool {
	old, known := m.set[h]
	if ms := at.UnixMilli(); !known || old < ms {
		m.put(h, ms)
	}
	return !known
}

// forget drops, among the first keep ids, those of records before horizon, and
// returns how many of the first n remain. n is not less than keep.
func (m *memory) forget(n, keep int, horizon time.Time) int {
	h := horizon.UnixMilli()
	kept := 0
	for i, id := range m.list {
		if i >= keep || id.at >= h {
			m.list[kept] = id
			kept++
		} else {
			if m.set[id.hash] == id.at {
				delete(m.set, id.hash)
			}
		}
	}
	removed := len(m.list) - kept
	m.list = m.list[:kept]
	return n - removed
}
