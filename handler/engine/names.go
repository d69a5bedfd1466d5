package engine

import (
	"bytes"
	"strconv"
)

// names gives the events of a listing their names.
type names struct {
	s      *Stream
	prefix []byte
	uid    []byte
	twins  map[idHash]int // of the page: records without an id that were just the same
}

func newNames(s *Stream) *names {
	n := &names{s: s, twins: map[idHash]int{}}
	if s.Shared {
		n.prefix = []byte(s.Name + "/")
	}
	return n
}

// page is called before the first record of each page.
func (n *names) page() { clear(n.twins) }

// identify returns the EventUid of a record that was just mapped, valid until the
// next call, and the hash it is remembered by: of the provider's id, or of the record
// itself. Of a thing in a snapshot each version is an event. Records without an id
// that are the same are different events when they stand in one page.
func (n *names) identify(rec []byte) (uid []byte, hash idHash) {
	id := n.s.Mapper.ID()
	n.uid = append(n.uid[:0], n.prefix...)
	switch {
	case len(id) == 0:
		hash = n.twin(rec)
		n.uid = append(n.uid, hash.text()...)
	case n.s.Position.Kind == Snapshot:
		hash = hashID(append(append(bytes.Clone(id), 0), rec...))
		n.uid = append(append(append(n.uid, id...), '@'), hash.text()[:16]...)
	default:
		hash = hashID(id)
		n.uid = append(n.uid, id...)
	}
	return n.uid, hash
}

func (n *names) twin(rec []byte) idHash {
	hash := hashID(rec)
	before := n.twins[hash]
	n.twins[hash]++
	if before == 0 {
		return hash
	}
	return hashID(strconv.AppendInt(append(bytes.Clone(rec), 0), int64(before), 10))
}

// replayed is the EventUid of a record of the stream that was just mapped once more,
// and is kept under the hash given.
func (n *names) replayed(rec []byte, hash string) []byte {
	if len(n.s.Mapper.ID()) == 0 {
		return append(append(n.uid[:0], n.prefix...), hash...)
	}
	uid, _ := n.identify(rec)
	return uid
}
