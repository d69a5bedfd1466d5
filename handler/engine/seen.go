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

// seenID is an id and how long it is remembered. It is never forgotten while a
// window can list it again, if only the provider's filter does what it says:
//
// A record that a window lists is, by the time that the provider filters by, before
// the window's end. So the id is remembered as of that end, and forgotten when no
// window to come begins before it. When the record says that it happened does not
// count: it may say so in local time, by a clock that is wrong, or the provider may
// file it by another time.
//
// In a long window that would be too many ids. Where the pages come oldest first,
// those of the window in progress are kept by the times that their records claim, as
// long as these are inside the window and in order; but the last ones to arrive are
// kept whatever they claim. Once the window is closed, those that are left are
// remembered as of its end, as all others.
type seenID struct {
	hash idHash
	at   int64 // Unix milliseconds; with claimed set, what a record of the window in progress claims
}

const (
	claimed = 1 << 62
	spare   = 4096 // ids that are kept whatever their records claim
)

func (id seenID) ours() bool { return id.at > 0 && id.at&claimed != 0 }

// settle has the ids of the window in progress remembered as of its end.
func (s seenIDs) settle(end time.Time) {
	for i := range s {
		if s[i].ours() {
			s[i].at = end.UnixMilli()
		}
	}
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
	set  map[idHash]int64 // its at; of an id that is there twice, the later one
	gone arrival          // how many have been taken out of the list
	long int              // from which length on that waits: see forget
}

// arrival is a place in the order in which ids have come in a run: so many came before.
// It stays what it is when ids are forgotten.
type arrival int

// now is the place of the id that comes next.
func (m *memory) now() arrival { return m.gone + arrival(len(m.list)) }

func newMemory(ids seenIDs, long int) *memory {
	m := &memory{list: ids, long: long, set: make(map[idHash]int64, len(ids))}
	for _, id := range ids {
		m.set[id.hash] = max(id.at, m.set[id.hash])
	}
	return m
}

func (m *memory) has(h idHash) bool {
	_, ok := m.set[h]
	return ok
}

// since reports whether an id is known of the window in progress, which ends at to,
// or of a later one.
func (m *memory) since(h idHash, to time.Time) bool {
	at, ok := m.set[h]
	return ok && at >= to.UnixMilli()
}

// add remembers an id that a window lists which ends at to, and reports whether it
// is new. One that is known, and would be forgotten with what was listed before
// floor, is remembered anew.
func (m *memory) add(h idHash, to, floor time.Time) bool {
	at, known := m.set[h]
	if !known || at < floor.UnixMilli() {
		m.put(h, to.UnixMilli())
	}
	return !known
}

// claim is add for an id whose record says that it happened at a time in the window.
func (m *memory) claim(h idHash, at, to, floor time.Time) bool {
	if ms := at.UnixMilli(); ms > 0 && !m.has(h) {
		m.put(h, ms|claimed)
		return true
	}
	return m.add(h, to, floor)
}

func (m *memory) put(h idHash, at int64) {
	m.set[h] = at
	m.list = append(m.list, seenID{h, at})
}

// fading says which ids are forgotten.
type fading struct {
	windows time.Time // of windows that ended before
	claims  time.Time // of the window in progress, whose records claim to be from before
	settle  time.Time // when the window is closed: what is left of it is remembered as of then
}

// forget forgets what fades among the ids that came before keep, and returns those to be
// stored of the ones before committed, which is not earlier than keep; so many of them
// at the beginning are what they were. Out of a long list ids are not taken as soon as
// they are forgotten, but when they are half of it: what stays where it is need not be
// stored again.
func (m *memory) forget(committed, keep arrival, f fading) (ids seenIDs, same int) {
	n, first := int(committed-m.gone), int(keep-m.gone)
	windows, claims := f.windows.UnixMilli(), f.claims.UnixMilli()|claimed
	if f.claims.IsZero() {
		claims = 0
	}
	fades := func(i int, id seenID) bool {
		if id.ours() {
			return i < first && id.at < claims && i < n-spare
		}
		return i < first && id.at < windows
	}
	faded := 0
	same = n
	for i, id := range m.list[:n] {
		switch {
		case fades(i, id):
			faded++
			if m.set[id.hash] == id.at {
				delete(m.set, id.hash)
			}
		case id.ours() && !f.settle.IsZero():
			same = min(same, i)
			m.list[i].at = f.settle.UnixMilli()
			m.set[id.hash] = m.list[i].at
		}
	}
	if faded == 0 || len(m.list) >= m.long && faded < len(m.list)/2 {
		return seenIDs(m.list[:n]), same
	}
	kept := 0
	for i, id := range m.list {
		if fades(i, id) {
			same = min(same, i)
			continue
		}
		m.list[kept] = id
		kept++
	}
	removed := len(m.list) - kept
	m.gone += arrival(removed)
	m.list = m.list[:kept]
	return seenIDs(m.list[:n-removed]), same
}
