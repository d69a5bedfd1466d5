// Package engine is the vocabulary of Sluice and its run loop: it brings the
// records of one stream from a Source to a Sink and moves the position only
// after they were acknowledged, filtered by the user's rule, or quarantined.
//
// It knows no provider, no store and no service; they implement its interfaces.
// It imports the standard library only.
package engine

import (
	"context"
	"iter"
	"log/slog"
	"time"
)

// Window is the half-open range of time [From, To) that a listing covers.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Page is one response of a provider.
type Page struct {
	// Records is the page's records as JSON text: an array, or several, or
	// values one after the other (NDJSON, a single object). It is not changed after
	// Fetch returned it, and may be kept.
	Records []byte
	// Lines says that Records has one value a line, so that one that cannot be
	// read ends with its line.
	Lines bool
	// Bad is what of this page is no record, or could not be had.
	Bad []Bad
	// Next is the token of the page that follows; "" on a window's last page.
	// It holds no secret: it is stored.
	Next string
	// Steady says that Next can be asked for before this page has been dealt with: the
	// provider remembers nothing of who has asked.
	Steady bool
	// Part says that Next leads to more of the same page of the provider's, such as to
	// the details of its next record.
	Part bool
	// Cursor, of a stream that goes by cursor, is the page token that the next
	// listing begins with; "" leaves the one from before.
	Cursor string
	// Done names what was looked up to make this page, for Known; it is
	// remembered with the page's records, and as long.
	Done [][]byte
	// Commit has what was read so far delivered and committed before anything else
	// is fetched: this page cannot be had again, or its token must not be lost.
	Commit bool
	// Receipt, of an Acknowledger, is what the page is acknowledged by.
	Receipt string
}

// Bad is one record, line, row or request that cannot be read, found or asked.
// It goes to quarantine, counted as fetched; what came beside it goes on.
type Bad struct {
	Body   []byte // as the provider sent it; of a request, the record that led to it
	Reason string // a code: "malformed_record", "item_not_found"
	Detail string // what is wrong, and where: line, byte, status; no secret
	// Again, when set, is what a Refetcher asks by; then Body is no record, and
	// replaying means to ask.
	Again string
}

// A Refetcher can ask again for what could not be had.
type Refetcher interface {
	// Refetch returns the page that Bad.Again stands for, or the one after it
	// that token names.
	Refetch(ctx context.Context, again, token string) (*Page, error)
}

// Source lists the records of one stream.
//
// Fetch returns the page of window w that token names, the first one for "".
// The same window and token can be asked for again. What is larger than a page should
// be, such as a file, comes as several: Next names the place in it, and a source that
// keeps it open reads on there, or opens it anew after another run. An error is an *Error, or
// wraps ErrTokenExpired when the provider no longer knows the token; the
// window is then listed anew.
type Source interface {
	Fetch(ctx context.Context, w Window, token string) (*Page, error)
}

// A Knowing source looks things up one by one, such as the details of each
// record in a list, and leaves out what is known to have been delivered.
type Knowing interface {
	// Know is called before the first Fetch of each run and after the last; in
	// between runs little is held of what was read. known reports whether a page that was
	// Done with key is delivered, or about to be.
	Know(known func(key []byte) bool)
}

// An Acknowledger is a source that keeps what it has handed out until it hears that it
// has arrived, such as a queue.
type Acknowledger interface {
	// Acknowledge is called after the commit of the pages with these receipts.
	Acknowledge(ctx context.Context, receipts []string) error
}

// A Holding source keeps lists from one Fetch to the next, such as one whose records it
// looks up.
type Holding interface {
	// Holds is how many bytes they have.
	Holds() int
}

// Mapper turns records into rows: none of a record that a filter drops, one, or
// several, for one table of the stream or for more. One goroutine uses it. What its
// methods return is of the record that Map was called with last, and valid until the
// next Map or Forget.
type Mapper interface {
	// Map reads the JSON value at or after src[0] and returns the bytes read. An error
	// means that src is no JSON; n is then where the value ends all the same, such as
	// one with a control character in a text, or 0 where that cannot be told.
	Map(src []byte) (n int, err error)
	IsObject() bool                    // the record is a JSON object
	ID() []byte                        // the provider's id of the record, or empty
	EventTime() (t time.Time, ok bool) // when it happened
	// Rows appends the record's rows, each a whole JSON object with what the stamp says
	// in the columns that the service has for it. Of several rows in one table each has a
	// name of its own, which begins with the stamp's.
	Rows(to *Rows, s *Stamp)
	Truncated() bool // a text was cut to the service's limit, when the rows were made
	// Oddities counts, by column, the values that became null because what the
	// record has does not fit; under names in parentheses, what else is odd about
	// records, such as no time. It counts anew after each call.
	Oddities() map[string]int64
	// Forget lets go of the record: what it stands in may be large.
	Forget()
}

// Stamp is what a run knows of a record beside what the record says.
type Stamp struct {
	Connection string
	UID        []byte    // the event's name: the same whenever the record is sent
	Backfill   bool      // it was fetched for the past
	Now        time.Time // the time of delivery
}

// Column is a column of a table: its name and its type, as KQL calls it.
type Column struct{ Name, Type string }

// Table is a table that a stream has rows for. Columns is nil where nobody has said.
type Table struct {
	Name    string
	Columns []Column
}

// Batch is a JSON array of rows for one table.
type Batch struct {
	Table   string
	Columns []Column // as Table has them
	Rows    []byte
	Ends    []int // where each row ends in Rows; it begins behind the bracket or comma before
}

// Count is how many rows there are.
func (b *Batch) Count() int { return len(b.Ends) }

// Row is the text of row i.
func (b *Batch) Row(i int) []byte {
	start := len("[")
	if i > 0 {
		start = b.Ends[i-1] + len(",")
	}
	return b.Rows[start:b.Ends[i]]
}

// Notices are rows that no provider has sent, as the workspace that the sink delivers
// to wants them.
type Notices interface {
	// Health is a row about a run, and Table "" where nobody asks for such rows.
	Health(rep *Report, now time.Time) Batch
	// Canary is the least row of a table. It is no event, and says so.
	Canary(table string, now time.Time) Batch
}

// Sink delivers rows.
//
// Upload returns nil only when the service has acknowledged the batch; it does
// not keep Rows. An *Error of kind Rejected says that the content is at fault.
// Upload is called from several goroutines.
type Sink interface {
	Upload(ctx context.Context, b Batch) error
	// Has reports whether rows of this table have somewhere to go.
	Has(table string) bool
}

// A Timed sink tells what time it is at the service: a provider may not.
type Timed interface {
	// CheckClock is an error when this machine's clock is known to be more than
	// MaxSkew ahead of the service's. It asks the service only when that has not
	// answered for a while.
	CheckClock(ctx context.Context) error
}

// MaxSkew is how far this machine's clock may be ahead of those of others. A clock
// that is ahead closes windows before their records exist, and would lose them.
const MaxSkew = 2 * time.Minute

// Generation is one stored version of a document.
type Generation struct {
	Number int64
	Data   []byte
}

// KeptGenerations is how many generations of a document a Store keeps.
const KeptGenerations = 5

// Store keeps checkpoints and what belongs to them. Names are paths with
// slashes.
//
// A document is written conditionally: Append succeeds only for the writer
// that knows the newest generation, so of two writers one is refused with
// ErrConflict, however long it slept in between. Objects are written without
// conditions. Get of what is not there is ErrNotFound.
type Store interface {
	// Generations returns the kept generations of a document, newest first;
	// none when it does not exist.
	Generations(ctx context.Context, name string) ([]Generation, error)
	// Append writes generation after+1; after is 0 for the first. Two writers
	// never write the same data: checkpoints name their holder.
	Append(ctx context.Context, name string, after int64, data []byte) error

	Put(ctx context.Context, name string, data []byte) error
	Get(ctx context.Context, name string) ([]byte, error)
	Delete(ctx context.Context, name string) error
	// List yields the names of objects that begin with prefix, in order.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
	// AddLine appends a line to an object that grows.
	AddLine(ctx context.Context, name string, line []byte) error
}

// Clock tells the time and waits; tests have one of their own.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the error of ctx.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the time in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

// Sleep waits for d.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Kind of position: how a stream is asked for what is new.
type PositionKind string

const (
	// Windows are ranges of time, one after the other.
	Windows PositionKind = ""
	// Cursor is a token of the provider's that outlives the run. A window is
	// what has come since the last one; it can be listed again by its times as
	// far as the provider's first request has them.
	Cursor PositionKind = "cursor"
	// Snapshot is the full list, again and again; there are rows for the records
	// that are new or have changed.
	Snapshot PositionKind = "snapshot"
)

// RateShare is the reason of a Throttled error by which a source keeps to its
// share of a rate limit; nothing was asked, and nothing is wrong.
const RateShare = "rate_share"

// JobRunning is the reason of a Throttled error by which a source waits for work of
// the provider's; the stream is not behind because of it.
const JobRunning = "job_running"

// Position holds the facts about a stream that correctness hangs on.
type Position struct {
	Kind          PositionKind
	Every         time.Duration // Snapshot: time between two
	Indirect      bool          // windows are not by the records' own times: what is listed leads to them
	Moving        bool          // Cursor: the provider moves on when it answers; a page token is good only for who has kept the page before
	Lag           time.Duration // how far a window's end stays behind now
	Overlap       time.Duration // how far a window reaches back for late records
	MaxWindow     time.Duration // longest window to ask for; 0: any
	Granularity   time.Duration // resolution of the provider's time filter
	Retention     time.Duration // how long the provider keeps records; 0: for ever
	Ascending     bool          // pages come oldest first
	FromExclusive bool          // the provider's lower bound is exclusive
	ToInclusive   bool          // the provider's upper bound is inclusive
}

// Stream is one series of records of a connection, ready to run.
type Stream struct {
	Connection string
	Connector  string
	Name       string
	Tables     []Table // those that Mapper has rows for; the first is the stream's own
	Source     Source
	Mapper     Mapper
	Position   Position
	MaxPages   int       // most pages that the provider lists of one window; 0: any number
	Start      time.Time // where the first run begins
	// Asks, unless "", is a fingerprint of how the source asks. What was stored while
	// it was another is no page token of this one: the window is listed anew.
	Asks string
	// Shared says that other streams, too, have rows in the table: EventUids begin with
	// the stream's name.
	Shared bool

	// Lane sets work on a part of the past apart from the live collection of
	// the stream: it has a checkpoint, a ledger and health rows of its own, its
	// rows are marked IsBackfill, and it ends at Until. "" is the live lane.
	Lane  string
	Until time.Time
}

// Table is the name of the stream's own table.
func (s *Stream) Table() string { return s.Tables[0].Name }

// Label is the stream's name, with its lane when that is not the live one.
func (s *Stream) Label() string {
	if s.Lane == "" {
		return s.Name
	}
	return s.Name + "@" + s.Lane
}

// Key names the stream in logs, in the store and in health rows.
func (s *Stream) Key() string { return s.Connection + "/" + s.Label() }

// Engine runs streams. All fields but Alive, Observer and Committed have to be set; New does that.
type Engine struct {
	Store   Store
	Sink    Sink
	Notices Notices
	Clock   Clock
	Log     *slog.Logger

	// Holder names this process in leases. Alive, when set, reports whether
	// another holder may still be running; a dead one's lease is taken over
	// at once instead of when it ends.
	Holder   string
	Alive    func(holder string) bool
	LeaseTTL time.Duration

	BatchBytes int // most bytes of one upload
	InFlight   int // uploads at a time
	PartIDs    int // ids of a part: see DefaultPart
	Version    string

	// Observer, when set, is told what runs do.
	Observer Observer

	// Committed, when set, is told after each commit how far a run has come.
	Committed func(s *Stream, rep Report)
}

// DefaultLease is how long a run keeps its stream without a sign of life.
const DefaultLease = 2 * time.Minute

// New returns an Engine that uploads up to batchBytes at a time.
func New(store Store, sink Sink, notices Notices, batchBytes int, log *slog.Logger) *Engine {
	return &Engine{
		Store: store, Sink: sink, Notices: notices, Clock: SystemClock{}, Log: log,
		Holder: "unnamed", LeaseTTL: DefaultLease,
		BatchBytes: batchBytes, InFlight: 2, PartIDs: DefaultPart,
	}
}
