package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

// TestRoomIsAskedForBeforeItIsUsed by whatever makes more of a body than there was, and
// who is refused stops with that error.
func TestRoomIsAskedForBeforeItIsUsed(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("{\"a\":1}\n"), 1<<20))
	_ = z.Close()
	full := errors.New("there is no room")
	for what, x := range map[string]struct {
		o    Options
		body string
	}{
		"gzip":    {Options{Format: "ndjson"}, packed.String()},
		"csv":     {Options{Format: "csv"}, strings.Repeat("h", 1<<16) + "\n" + strings.Repeat("1\n", 1<<8)},
		"lines":   {Options{Format: "lines"}, strings.Repeat("1\n", 1<<20)},
		"xml":     {Options{Format: "xml"}, "<a>" + strings.Repeat("<b/>", 1<<18) + "</a>"},
		"utf-16":  {Options{}, "\xff\xfe" + strings.Repeat("\x20\xac", 1<<21)},
		"latin-1": {Options{ContentType: "text/plain; charset=iso-8859-1"}, strings.Repeat("\xe9", 1<<22)},
	} {
		asked := 0
		x.o.Room = func(n int) error {
			asked += n
			return nil
		}
		out, err := decoded(x.o, []byte(x.body))
		if err != nil || asked < len(out)-step-8 || asked == 0 {
			t.Errorf("%s: %d bytes were asked for, and there are %d (%v)", what, asked, len(out), err)
		}
		x.o.Room = func(n int) error { return full }
		if _, err := decoded(x.o, []byte(x.body)); !errors.Is(err, full) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestReadAllReadsUpToMax, whatever its hint.
func TestReadAllReadsUpToMax(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1536, 1537, 1 << 20, 5<<20 + 1} {
		for _, hint := range []int{-1, 0, n - 1, n, n + 1, 2 * n} {
			asked := 0
			got, err := ReadAll(strings.NewReader(strings.Repeat("x", n)), hint, func(n int) error {
				asked += n
				return nil
			})
			if err != nil || len(got) != n || asked < cap(got)-step-minRead {
				t.Errorf("%d bytes, hint %d: %d read, room of %d for %d (%v)", n, hint, len(got), asked, cap(got), err)
			}
		}
	}
	if testing.Short() {
		t.Skip("long")
	}
	for _, more := range []int{0, 1, 1000} {
		got, err := ReadAll(strings.NewReader(strings.Repeat("x", Max+more)), 0, nil)
		if (more == 0) != (err == nil && len(got) == Max) || more > 0 && err != ErrTooLarge {
			t.Errorf("%d more than Max: %d, %v", more, len(got), err)
		}
	}
}
