package decode

import "io"

// Growth follows what is made of a body: it asks for room in time, and ends at Max.
type Growth struct {
	Room  func(n int) error // as in Options
	asked int
}

// step is how much is asked for at a time. The first one is not asked for: it is within
// what everybody has.
const step = 1 << 20

// To is called when so many bytes have been made, or are about to be.
func (g *Growth) To(n int) error {
	if n > Max {
		return ErrTooLarge
	}
	more := (n - step - g.asked + step - 1) / step * step
	if more <= 0 || g.Room == nil {
		return nil
	}
	g.asked += more
	return g.Room(more)
}

// minRead is so much more than what is to come that its end is seen without growing.
const minRead = 512

// ReadAll reads what there is, into memory of its own; hint is how much that may be.
func ReadAll(r io.Reader, hint int, room func(n int) error) ([]byte, error) {
	g := Growth{Room: room}
	hint = min(max(hint, 1024), Max)
	if err := g.To(hint); err != nil {
		return nil, err
	}
	out := make([]byte, 0, hint+minRead)
	for {
		if len(out) == cap(out) {
			larger := min(2*cap(out), Max+minRead)
			if err := g.To(min(larger, Max)); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, larger), out...)
		}
		n, err := r.Read(out[len(out):min(cap(out), Max+1)])
		out = out[:len(out)+n]
		switch {
		case len(out) > Max:
			return nil, ErrTooLarge
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}
