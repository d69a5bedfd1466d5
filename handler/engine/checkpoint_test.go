package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCheckpointsAreReadAsTheyWereWritten, whatever ids they hold.
func TestCheckpointsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Checkpoint{Connection: rapid.String().Draw(t, "connection"), Fence: rapid.Int64().Draw(t, "fence"), Position: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0).UTC()}
		for range rapid.IntRange(0, 5).Draw(t, "ids") {
			c.Seen = append(c.Seen, seenID{hashID([]byte(rapid.String().Draw(t, "id"))), rapid.Int64().Draw(t, "ms")})
		}
		doc, err := EncodeCheckpoint(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeCheckpoint(doc)
		if err != nil {
			t.Fatal(err)
		}
		again, err := EncodeCheckpoint(back)
		if err != nil || string(again) != string(doc) {
			t.Fatalf("%s\n%s\n%v", doc, again, err)
		}
		// Damage of one byte is never read as a checkpoint with other content.
		i := rapid.IntRange(0, len(doc)-1).Draw(t, "byte")
		bad := append([]byte{}, doc...)
		bad[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := DecodeCheckpoint(bad); err == nil {
			if text, _ := EncodeCheckpoint(got); string(text) != string(doc) {
				t.Fatalf("byte %d changed: %s", i, bad)
			}
		}
	})
}

// TestAWindowIsCutBehindWhatIsDone: of what is known only the ids close to the
// newest event are remembered, so a window that ended before it would bring the
// others once more.
func TestAWindowIsCutBehindWhatIsDone(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	for _, x := range []struct {
		ascending bool
		want      int // minutes: where the window ends then
	}{{true, 50}, {false, 30}} {
		r := &run{s: &Stream{Position: Position{Ascending: x.ascending, Overlap: 45 * time.Minute, Granularity: time.Second}}, listing: listing{listed: start}}
		r.work = Progress{Window: Window{at(-45), at(60)}, Token: "t", Reached: at(40), Restarts: 1}
		if x.ascending {
			r.work.From = at(-5)
		}
		if !r.relist(true) || !r.work.To.Equal(at(x.want)) || r.work.Token != "" {
			t.Errorf("ascending %v: it is %+v", x.ascending, r.work)
		}
	}
}
