package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Format is the version of the checkpoint documents that this code writes.
const Format = 1

// Checkpoint is all that a stream remembers between runs. It is one document:
// whoever writes it proves by the write that nobody else did so in between.
type Checkpoint struct {
	Connection string `json:"connection"`
	Stream     string `json:"stream"`

	// Fence counts the holders this stream has had. Lease is the present one's.
	Fence int64  `json:"fence"`
	Lease *Lease `json:"lease,omitempty"`

	// Position: every record since Since that happened before it has been dealt
	// with, but for those in Gaps. What happened before Since is not this lane's.
	Position time.Time `json:"position"`
	Since    time.Time `json:"since,omitzero"`
	Gaps     []Gap     `json:"gaps,omitempty"`
	Cursor   string    `json:"cursor,omitempty"` // the page token that the next window begins with
	Asks     string    `json:"asks,omitempty"`   // of the stream when the tokens were made
	Windows  int64     `json:"windows"`          // closed so far
	// Places is how far each of the things has been read that a Placing source reads.
	Places map[string]Place `json:"places,omitempty"`
	// Doubted: records from before then may be known from a listing that began at a wrong
	// place, and was cut. So no window up to then is listed again from its middle: a record
	// that is known would prove nothing. See Progress.Again.
	Doubted time.Time `json:"doubted,omitzero"`
	// Older: the stream was told to begin before what its provider says that it
	// keeps. It is asked for that until the provider refuses.
	Older bool `json:"older,omitempty"`

	Window *Progress `json:"window,omitempty"` // the one that is not closed yet
	Seen   seenIDs   `json:"seen,omitempty"`   // ids that may come again; in a stored document, those behind the ones in Parts
	// Parts name the objects with the first ids, Stale those that are not needed any
	// more, and Stowed counts them all. See stow.go.
	Parts  []seenPart  `json:"seen_parts,omitempty"`
	Stale  []stalePart `json:"stale_parts,omitempty"`
	Stowed int64       `json:"stowed,omitempty"`

	Totals      Counts    `json:"totals"`
	LastEvent   time.Time `json:"last_event,omitzero"`
	StalledRuns int       `json:"stalled_runs,omitempty"` // runs in a row that committed nothing though there was work
	Behind      int       `json:"behind,omitempty"`       // runs in a row whose time was up before they had caught up
	// BehindBy is how far the first of these was behind; Idle is how many of the last
	// of them brought nothing that was not known.
	BehindBy time.Duration `json:"behind_by_ns,omitempty"`
	Idle     int           `json:"idle,omitempty"`
	Updated  time.Time     `json:"updated"`
}

// Lease says who may run the stream, and until when it has to say so again.
type Lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Progress is how far a window has been listed.
type Progress struct {
	Window
	Token string `json:"token,omitempty"` // the page to fetch next
	Pages int64  `json:"pages"`
	// Reached is the newest event of the listing that claims to be before the
	// window's end; an ascending window can be listed again from there when the
	// provider forgets the token, unless Disorder says that a record contradicted
	// the order.
	Reached  time.Time `json:"reached,omitzero"`
	Disorder bool      `json:"disorder,omitempty"`
	// Again, when set, is the time inside the window from which it is listed again.
	// Proof, the newest event then, is set until a record comes that the window had
	// before: so long it may be that the provider goes by other times than its
	// records tell, and that something before Again is missing.
	Again  time.Time `json:"again,omitzero"`
	Proof  time.Time `json:"proof,omitzero"`
	Cut    time.Time `json:"cut,omitzero"`     // where the window ended first, and has been listed up to
	Cursor string    `json:"cursor,omitempty"` // the next window's, as far as is known
	// Listing counts the pages since the listing began, Restarts how often it
	// began anew.
	Listing  int    `json:"listing,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	Refused  int    `json:"refused,omitempty"` // runs in a row that ended at Token
	Counts   Counts `json:"counts"`
}

// Counts account for records. Every record that was fetched for the first time
// is in exactly one of the last three.
type Counts struct {
	Fetched      int64 `json:"fetched"`
	Repeated     int64 `json:"repeated"` // listed again and known, so not fetched anew
	Acknowledged int64 `json:"acknowledged"`
	Filtered     int64 `json:"filtered"`
	Quarantined  int64 `json:"quarantined"`
	Truncated    int64 `json:"truncated,omitempty"` // acknowledged with a text cut; the original is in quarantine
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.Fetched += d.Fetched
	c.Repeated += d.Repeated
	c.Acknowledged += d.Acknowledged
	c.Filtered += d.Filtered
	c.Quarantined += d.Quarantined
	c.Truncated += d.Truncated
}

// Balanced reports whether every fetched record is accounted for.
func (c Counts) Balanced() bool {
	return c.Fetched == c.Acknowledged+c.Filtered+c.Quarantined
}

// envelope is the stored form: the checkpoint with its format and digest.
type envelope struct {
	Format     int             `json:"format"`
	SHA256     string          `json:"sha256"`
	Checkpoint json.RawMessage `json:"checkpoint"`
}

// EncodeCheckpoint returns the document that DecodeCheckpoint reads. The ids that are
// not in parts, which are most of it, are written straight into it.
func EncodeCheckpoint(c *Checkpoint) ([]byte, error) {
	rest := *c
	rest.Seen = nil
	body, err := json.Marshal(&rest)
	if err != nil {
		return nil, err
	}
	if ids := c.Seen[c.stowed():]; len(ids) > 0 {
		body = append(body[:len(body)-1], `,"seen":"`...)
		body = append(ids.appendText(body), `"}`...)
	}
	sum := sha256.Sum256(body)
	doc := fmt.Appendf(make([]byte, 0, len(body)+128), `{"format":%d,"sha256":"%x","checkpoint":`, Format, sum)
	return append(append(doc, body...), '}'), nil
}

// errNewer: the document was written by a later version of Sluice.
var errNewer = errors.New("written by a newer version of Sluice")

// DecodeCheckpoint reads a stored document, without the ids in its parts. Damage of any
// kind is an error.
func DecodeCheckpoint(data []byte) (*Checkpoint, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if e.Format > Format {
		return nil, fmt.Errorf("checkpoint has format %d: %w", e.Format, errNewer)
	}
	sum := sha256.Sum256(e.Checkpoint)
	if e.Format < 1 || hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, fmt.Errorf("%w: its digest does not match", errDamaged)
	}
	c := new(Checkpoint)
	if err := json.Unmarshal(e.Checkpoint, c); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return c, nil
}

func checkpointName(key string) string { return "checkpoints/" + key }

// LoadCheckpoint returns the newest valid generation of a stream's checkpoint
// and the number of the newest generation of all; nil and 0 when there is
// none. When none of several is valid, it stops: beginning anew would lose or
// repeat everything, and only a person can decide that.
func LoadCheckpoint(ctx context.Context, st Store, key string) (c *Checkpoint, newest int64, recovered bool, err error) {
	gens, err := st.Generations(ctx, checkpointName(key))
	if err != nil {
		return nil, 0, false, fmt.Errorf("read checkpoint of %s: %w", key, err)
	}
	if len(gens) == 0 {
		return nil, 0, false, nil
	}
	var first error
	for _, g := range gens {
		c, err := openCheckpoint(ctx, st, g.Data)
		if err == nil {
			return c, gens[0].Number, first != nil, nil
		}
		if errors.Is(err, errNewer) {
			return nil, 0, false, &Error{Kind: Permanent, Op: "read checkpoint of " + key, Reason: "checkpoint_newer",
				Hint: "run the version of Sluice that wrote it, or a later one", Err: err}
		}
		if !errors.Is(err, errDamaged) {
			return nil, 0, false, fmt.Errorf("read checkpoint of %s: %w", key, err)
		}
		if first == nil {
			first = err
		}
	}
	return nil, 0, false, &Error{Kind: Permanent, Op: "read checkpoint of " + key, Reason: "checkpoint_unreadable",
		Hint: fmt.Sprintf("none of its %d generations is valid; put a copy back with sluice state import, or say where to go on: sluice state begin %s --from TIME", len(gens), key), Err: first}
}

// claim takes the stream for this engine: it raises the fencing number with a
// conditional write, after which every write of an earlier holder is refused. Of a
// stream that is held it returns what is known of it.
func (e *Engine) claim(ctx context.Context, s *Stream) (c *Checkpoint, gen int64, recovered bool, err error) {
	c, gen, recovered, err = e.find(ctx, s.Key())
	if err != nil {
		return nil, 0, false, err
	}
	if err := s.inTime(c, e.Clock.Now()); err != nil {
		return nil, 0, false, err
	}
	if c == nil {
		c = &Checkpoint{Connection: s.Connection, Stream: s.Label(), Position: s.Start.UTC()}
		if g := s.Position.Granularity; g > 0 {
			c.Position = c.Position.Truncate(g)
		}
		c.Since = c.Position
		c.Older = s.Position.keepsNot(c.Position, e.Clock.Now())
	}
	if err := e.free(c); err != nil {
		return c, 0, false, err
	}
	if s.Asks != "" {
		if c.Asks != "" && c.Asks != s.Asks && (c.Window != nil || c.Cursor != "") {
			e.Log.Warn("requests are not what they were: what is in progress is listed anew", "stream", s.Key())
			c.forgetTokens()
		}
		c.Asks = s.Asks
	}
	if s.Position.Moving && (c.Lease != nil || recovered) { // more may have been sent than was kept
		c.forgetTokens()
	}
	c.Fence++
	if gen, err = e.save(ctx, s.Key(), c, gen); errors.Is(err, ErrConflict) {
		return nil, 0, false, ErrHeld
	}
	return c, gen, recovered, err
}

// forgetTokens has the listing begin anew, at the window's times.
func (c *Checkpoint) forgetTokens() {
	c.Cursor = ""
	if c.Window != nil {
		c.Window.beginAnew()
	}
}

// asked is what the present listing of the window covers.
func (w *Progress) asked() Window {
	if w.Again.IsZero() {
		return w.Window
	}
	return Window{w.Again, w.To}
}

// doubted is Checkpoint.Doubted as far as w tells.
func (w *Progress) doubted() time.Time {
	if w.Disorder {
		return w.Cut
	}
	return time.Time{}
}

// beginAnew has the whole window listed again.
func (w *Progress) beginAnew() {
	w.Token, w.Cursor, w.Listing, w.Refused = "", "", 0, 0
	w.Reached, w.Again, w.Proof = time.Time{}, time.Time{}, time.Time{}
	w.Restarts++
}

// resume has the window listed again from a time inside it.
func (w *Progress) resume(from time.Time) {
	reached := w.Reached
	w.beginAnew()
	w.Reached, w.Again, w.Proof = reached, from, reached
}

// save writes c as the generation after gen, with the lease renewed.
func (e *Engine) save(ctx context.Context, key string, c *Checkpoint, gen int64) (int64, error) {
	now := e.Clock.Now()
	c.Updated = now
	c.Lease = &Lease{Holder: e.Holder, Until: now.Add(e.LeaseTTL)}
	return e.write(ctx, key, c, gen)
}

// release writes c with no lease.
func (e *Engine) release(ctx context.Context, key string, c *Checkpoint, gen int64) (int64, error) {
	c.Updated = e.Clock.Now()
	c.Lease = nil
	return e.write(ctx, key, c, gen)
}

func (e *Engine) write(ctx context.Context, key string, c *Checkpoint, gen int64) (int64, error) {
	if err := e.stow(ctx, key, c, gen+1); err != nil {
		return gen, err
	}
	data, err := EncodeCheckpoint(c)
	if err != nil {
		return gen, err
	}
	if err := e.Store.Append(ctx, checkpointName(key), gen, data); err != nil {
		return gen, fmt.Errorf("write checkpoint of %s: %w", key, err)
	}
	return gen + 1, nil
}
