package scan

// piece is a part of what a Reader's paths have no use for. The pieces of a
// value stand in the order of its text.
type piece struct {
	start, end int32
	what       pieceKind
}

type pieceKind uint8

const (
	whole   pieceKind = iota // members or elements as they stand, with the commas between them
	opening                  // a container that was looked into: its name, if it has one, and its bracket
	closing                  // the bracket after what was left over in it
	gap                      // the place of an element of which nothing was left over
)

// keep adds the member or element in r.src[start:end] to the rest; the one
// before it, in the same container, ends at before.
func (r *Reader) keep(start, end, before int) {
	if n := len(r.rest); n > 0 && r.rest[n-1].what == whole && int(r.rest[n-1].end) == before {
		r.rest[n-1].end = int32(end)
		return
	}
	r.rest = append(r.rest, piece{int32(start), int32(end), whole})
}

// closeRest ends what was left over of a container, whose opening is piece
// first and whose text ends at end. When that is nothing, it leaves no trace.
func (r *Reader) closeRest(first, end int) {
	n := len(r.rest)
	for r.rest[n-1].what == gap {
		n--
	}
	if n == first+1 {
		r.rest = r.rest[:first]
		return
	}
	r.rest = append(r.rest[:n], piece{int32(end - 1), int32(end), closing})
}

// HasRest reports whether the last Read left anything over.
func (r *Reader) HasRest() bool { return len(r.rest) > 0 }

// AppendRest appends what the last Read left over of an object, with CollectRest
// set, as the members of a JSON object: those that no path leads into as they
// stand; of those that paths look into what was not taken of them, as objects
// and arrays of the same shape. In the place of an element that was taken stands
// null, unless nothing follows it. Members that are null say nothing and are
// left out. It appends whole members, no more than fit into max bytes; max 0 is
// any number.
func (r *Reader) AppendRest(dst []byte, max int) []byte {
	from, fits := len(dst), len(dst)
	depth, first := 0, true
	for _, p := range r.rest {
		if p.what != closing && !first {
			dst = append(dst, ',')
		}
		first = p.what == opening
		switch p.what {
		case gap:
			dst = append(dst, "null"...)
		case opening:
			depth++
		case closing:
			depth--
		}
		dst = append(dst, r.src[p.start:p.end]...)
		if depth > 0 {
			continue
		}
		if max > 0 && len(dst)-from > max {
			return dst[:fits]
		}
		fits = len(dst)
	}
	return dst
}
