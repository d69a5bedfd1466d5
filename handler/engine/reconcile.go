package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Arrivals tells which events a table of the workspace has.
type Arrivals interface {
	// Events returns how many rows there are of each event of a connection that
	// happened in w, by EventUid.
	Events(ctx context.Context, table, connection string, w Window) (map[string]int, error)
	// Have returns which of these events a table has, whenever they happened.
	Have(ctx context.Context, table, connection string, uids []string) (map[string]bool, error)
}

// Reconciliation compares what a provider lists with what arrived.
type Reconciliation struct {
	Window
	Connection  string `json:"connection"`
	Stream      string `json:"stream"`
	Table       string `json:"table"`
	Listed      int    `json:"listed"`   // events at the provider
	Arrived     int    `json:"arrived"`  // of them in the table
	Filtered    int    `json:"filtered"` // dropped by a filter of the connector
	Quarantined int    `json:"quarantined"`
	// Repeated counts the rows beyond the first of an event.
	Repeated int     `json:"repeated_rows"`
	Missing  []Event `json:"missing,omitempty"` // at the provider, and nowhere else
	Surplus  []Event `json:"surplus,omitempty"` // in the table, and not listed by the provider (any more)
}

// Event names a record.
type Event struct {
	UID string    `json:"event_uid"`
	At  time.Time `json:"at,omitzero"` // when it happened, as far as the provider says
}

// reconcileStep is the longest part of the window that is compared at a time:
// the ids of one are in memory.
const reconcileStep = 6 * time.Hour

// Reconcile lists window w of a stream again at the provider and compares the
// events with those in the table. It changes nothing. tell, when set, is told
// of each part that is done.
func (e *Engine) Reconcile(ctx context.Context, s *Stream, w Window, t Arrivals, tell func(done Window, sofar *Reconciliation)) (*Reconciliation, error) {
	rec := &Reconciliation{Window: w, Connection: s.Connection, Stream: s.Name, Table: s.Table()}
	if k, ok := s.Source.(Knowing); ok { // all is to be listed
		k.Know(func([]byte) bool { return false })
	}
	step := reconcileStep
	if m := s.Position.MaxWindow; m > 0 {
		step = min(step, m)
	}
	kept, err := e.quarantinedHashes(ctx, s)
	if err != nil {
		return nil, err
	}
	for from := w.From; from.Before(w.To); {
		part := Window{from, from.Add(step)}
		if part.To.After(w.To) {
			part.To = w.To
		}
		err := e.reconcilePart(ctx, s, part, t, kept, rec)
		if (errors.Is(err, ErrTokenExpired) || errors.Is(err, errTooLong)) && step > time.Second {
			step /= 2 // a part that can be listed before its page tokens are gone, or within the provider's limit
			continue
		}
		if err != nil {
			return rec, err
		}
		from = part.To
		if tell != nil {
			tell(part, rec)
		}
	}
	return rec, nil
}

// errTooLong: the window has more pages than the provider lists of one.
var errTooLong = errors.New("the window has more pages than the provider lists")

// listed is what the provider has in a part of the window.
type listed struct {
	names    *names
	rows     *batch               // of a record, to see whether there are any
	events   map[string]time.Time // by EventUid: when they happened
	hashes   map[string]idHash    // the names that quarantine has for them
	filtered map[string]bool
}

func (e *Engine) reconcilePart(ctx context.Context, s *Stream, w Window, t Arrivals, kept map[string]bool, rec *Reconciliation) error {
	l, err := e.listAgain(ctx, s, w)
	if err != nil {
		return err
	}
	rows, err := t.Events(ctx, s.Table(), s.Connection, w)
	if err != nil {
		return err
	}
	var absent []string
	for uid := range l.events {
		if rows[uid] == 0 {
			absent = append(absent, uid)
		}
	}
	slices.Sort(absent)
	// A row's time need not be the one that the provider lists by: ask by name.
	have, err := t.Have(ctx, s.Table(), s.Connection, absent)
	if err != nil {
		return err
	}
	rec.Listed += len(l.events) + len(l.filtered)
	rec.Filtered += len(l.filtered)
	rec.Arrived += len(l.events) - len(absent)
	for _, uid := range absent {
		switch {
		case have[uid]:
			rec.Arrived++
		case kept[l.hashes[uid].String()]:
			rec.Quarantined++
		default:
			rec.Missing = append(rec.Missing, Event{uid, l.events[uid]})
		}
	}
	var surplus []Event
	for uid, n := range rows {
		if s.Shared && !strings.HasPrefix(uid, s.Name+"/") { // another stream's
			continue
		}
		rec.Repeated += n - 1
		if _, ok := l.events[uid]; !ok {
			surplus = append(surplus, Event{UID: uid})
		}
	}
	slices.SortFunc(surplus, func(a, b Event) int { return strings.Compare(a.UID, b.UID) })
	rec.Surplus = append(rec.Surplus, surplus...)
	return nil
}

// quarantinedHashes are the names of what a stream has in quarantine, in all
// its lanes.
func (e *Engine) quarantinedHashes(ctx context.Context, s *Stream) (map[string]bool, error) {
	kept := map[string]bool{}
	prefix := QuarantinePrefix + s.Connection + "/" + s.Name
	for name, err := range e.Store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if lane, file, ok := strings.Cut(strings.TrimPrefix(name, prefix), "/"); ok && (lane == "" || lane[0] == '@') {
			kept[strings.TrimSuffix(file, ".json")] = true
		}
	}
	return kept, nil
}

// listAgain lists a window at the provider.
func (e *Engine) listAgain(ctx context.Context, s *Stream, w Window) (*listed, error) {
	l := &listed{newNames(s), newBatch(s), map[string]time.Time{}, map[string]idHash{}, map[string]bool{}}
	ask := s.Position.request(w)
	sleep := func(ctx context.Context, d time.Duration) error { return e.Clock.Sleep(ctx, d) }
	pages := 0
	for token := ""; ; {
		var page *Page
		err := e.retry(ctx, e.Clock.Now().Add(time.Hour), sleep, func() (err error) {
			page, err = s.Source.Fetch(ctx, ask, token)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range page.Bad {
			l.noteBad(&page.Bad[i])
		}
		l.names.page()
		err = eachRecord(page.Records, func(at int) (int, error) {
			n, err := s.Mapper.Map(page.Records[at:])
			if err == nil {
				l.note(s, page.Records[at:at+n])
				return n, nil
			}
			rec := page.extent(at, n)
			if len(rec) == 0 {
				return 0, err
			}
			l.noteBad(&Bad{Body: rec, Reason: malformedRecord})
			return len(rec), nil
		})
		if err != nil {
			return nil, fmt.Errorf("read a page of %s: %w", s.Key(), err)
		}
		if !page.Part {
			pages++
		}
		switch {
		case page.Next == "":
			return l, nil
		case page.Next == token:
			return nil, pagingLoop(s)
		case s.MaxPages > 0 && pages >= s.MaxPages && !page.Part:
			return nil, errTooLong
		}
		token = page.Next
	}
}

func (l *listed) note(s *Stream, rec []byte) {
	m := s.Mapper
	id, hash := l.names.identify(rec)
	uid := string(id)
	m.Rows(&l.rows.Rows, &Stamp{UID: id})
	if made := l.rows.made(); m.IsObject() && !made {
		l.filtered[uid] = true
		return
	}
	l.rows.undo()
	l.events[uid], _ = m.EventTime()
	l.hashes[uid] = hash
}

// noteBad notes what a run would put into quarantine: no row can have its name.
func (l *listed) noteBad(b *Bad) {
	hash := b.hash()
	l.events[hash.String()], l.hashes[hash.String()] = time.Time{}, hash
}
