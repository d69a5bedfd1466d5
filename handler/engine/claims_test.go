package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

// filed is a record that a provider files by one time and that claims another.
type filed struct {
	id      string
	at      time.Time // by which it is listed
	arrives time.Time // from when on it is
}

func newFiled(n int, at, arrives, claims time.Time) filed {
	return filed{fmt.Sprintf("%03d@%s", n, claims.Format(time.RFC3339)), at, arrives}
}

// archive lists records oldest first by the time that it files them by. A page token
// is the record that the page before ended with.
type archive struct {
	list    []filed
	size    int
	clock   *memory.Clock
	took    time.Duration // for a page
	expires func() bool   // the token that is asked with
	fails   func(token string) error
	keeps   time.Duration // 0: for ever
	renews  bool          // page tokens of each request are others than before
	asked   []engine.Window
}

func (a *archive) Fetch(_ context.Context, w engine.Window, token string) (*engine.Page, error) {
	a.clock.Advance(a.took)
	a.asked = append(a.asked, w)
	if token != "" && a.expires != nil && a.expires() {
		return nil, engine.ErrTokenExpired
	}
	if a.keeps > 0 && w.From.Before(a.clock.Now().Add(-a.keeps)) {
		return nil, &engine.Error{Kind: engine.Permanent, Op: "list", Reason: "bad_request", Err: errors.New("from is out of range")}
	}
	if a.fails != nil {
		if err := a.fails(token); err != nil {
			return nil, err
		}
	}
	token, _, _ = strings.Cut(token, "#")
	page, last := &engine.Page{}, ""
	var ids []string
	for _, rec := range a.list {
		key := rec.at.Format(time.RFC3339) + rec.id
		switch {
		case rec.at.Before(w.From), !rec.at.Before(w.To), rec.arrives.After(a.clock.Now()), key <= token:
		case len(ids) == a.size:
			if page.Next = last; a.renews {
				page.Next += fmt.Sprint("#", len(a.asked))
			}
		default:
			ids, last = append(ids, fmt.Sprintf("%q", rec.id)), key
		}
	}
	page.Records = []byte("[" + strings.Join(ids, ",") + "]")
	return page, nil
}

// archiveBench is an engine in front of an archive that is declared as p.
func archiveBench(p engine.Position, list ...filed) (*bench, *archive) {
	slices.SortFunc(list, func(a, b filed) int {
		return strings.Compare(a.at.Format(time.RFC3339)+a.id, b.at.Format(time.RFC3339)+b.id)
	})
	b := &bench{store: memory.NewStore(), sink: memory.NewSink(), clock: memory.NewClock(noon)}
	a := &archive{list: list, size: 2, clock: b.clock}
	b.Engine = sentinel.NewEngine(b.store, b.sink, slog.New(slog.DiscardHandler))
	b.Clock, b.InFlight, b.BatchBytes = b.clock, 1, 400
	b.s = &engine.Stream{Connection: "c", Connector: "c", Name: "s", Tables: []engine.Table{{Name: "T_CL"}}, Source: a, Mapper: &testkit.LineMapper{}, Position: p, Start: noon.Add(-6 * time.Hour)}
	return b, a
}

// TestWhatRecordsClaimLosesAndRepeatsNothing: whatever times they tell, in whatever
// windows they are listed, and whenever page tokens end. Order is declared, or not.
func TestWhatRecordsClaimLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, name)) * time.Minute
		}
		p := engine.Position{Granularity: time.Second, Ascending: rapid.Bool().Draw(t, "ascending"), Overlap: minutes("overlap", 0, 90)}
		if rapid.Bool().Draw(t, "short windows") {
			p.MaxWindow = p.Overlap + minutes("window", 5, 120)
		}
		shift, honest := minutes("shift", -400, 400), rapid.Bool().Draw(t, "honest")
		var list []filed
		for n := range rapid.IntRange(0, 30).Draw(t, "records") {
			at := noon.Add(-minutes("age", -120, 360))
			late := min(minutes("late", 0, 90), p.Overlap)
			claims := at.Add(shift)
			if !honest && rapid.Bool().Draw(t, "wild") {
				claims = at.Add(minutes("wild by", -600, 600))
			}
			list = append(list, newFiled(n, at, at.Add(late), claims))
		}
		b, a := archiveBench(p, list...)
		a.size, a.took = rapid.IntRange(1, 5).Draw(t, "size"), minutes("page takes", 0, 1)/2
		troubles := rapid.IntRange(0, 6).Draw(t, "troubles")
		a.expires = func() bool {
			ends := troubles > 0 && rapid.Bool().Draw(t, "ends")
			if ends {
				troubles--
			}
			return ends
		}
		for b.clock.Now().Before(noon.Add(5 * time.Hour)) {
			b.Collect(t.Context(), b.s, minutes("budget", 1, 3))
			b.clock.Advance(minutes("pause", 1, 60))
		}
		troubles, a.took = 0, 0
		for range 3 {
			for _, rep := range b.Collect(t.Context(), b.s, time.Hour) {
				if rep.Outcome != engine.OK || !rep.Counts.Balanced() {
					t.Fatalf("at last: %+v", rep)
				}
			}
			b.clock.Advance(time.Hour)
		}
		var want []string
		for _, rec := range list {
			want = append(want, rec.id)
		}
		got := b.sink.IDs()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("rows   %v\nwant   %v\nwindows %v", got, want, a.asked)
		}
		for _, w := range a.asked {
			if !w.From.Before(w.To) {
				t.Fatalf("asked for %v", w)
			}
		}
	})
}

// TestAListingThatBeganInTheMiddleHasToShowThatItDid: records tell local time, two
// hours ahead, inside a long window; where a listing begins anew by that, the provider
// has other records.
func TestAListingThatBeganInTheMiddleHasToShowThatItDid(t *testing.T) {
	var list []filed
	var want []string
	for n := range 12 {
		at := noon.Add(-5*time.Hour + time.Duration(n)*10*time.Minute)
		list = append(list, newFiled(n, at, at, at.Add(2*time.Hour)))
		want = append(want, list[n].id)
	}
	b, a := archiveBench(engine.Position{Granularity: time.Second, Ascending: true, Overlap: time.Minute}, list...)
	expired := false
	a.expires = func() bool {
		ends := !expired && len(a.asked) == 3
		expired = expired || ends
		return ends
	}
	b.run(t, engine.OK)
	b.wantIDs(t, want...)
	if got := a.asked[3]; !got.From.Equal(noon.Add(-5*time.Hour + 30*time.Minute + 2*time.Hour - time.Minute)) {
		t.Errorf("it was listed anew from %s", got.From)
	}
}

// TestWhatADoubtedListingBroughtProvesNothing: records tell a minute more than they are
// filed by, so that a listing that goes on by what they tell passes over some. It is
// found out and the window is cut; in what is left of it the same happens, and the records
// that came too early then are known by now.
func TestWhatADoubtedListingBroughtProvesNothing(t *testing.T) {
	var list []filed
	var want []string
	for n := range 6 {
		at := noon.Add(-3 * time.Hour)
		if n >= 4 {
			at = noon.Add(-time.Minute)
		}
		list = append(list, newFiled(n, at, at, at.Add(time.Minute)))
		want = append(want, list[n].id)
	}
	b, a := archiveBench(engine.Position{Granularity: time.Second, Ascending: true}, list...)
	ended := 0
	a.expires = func() bool { ended++; return ended <= 4 }
	for range 3 {
		b.Collect(t.Context(), b.s, time.Hour)
	}
	got := b.sink.IDs()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("rows %v\nwant %v\nafter %v", got, want, a.asked)
	}
}
