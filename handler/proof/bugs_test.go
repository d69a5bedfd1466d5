package proof

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var bugsFlag = flag.String("bugs", "", "build the seeded bugs whose names match this expression into the program, one by one, and see which test catches each; takes minutes")

// bug is a deliberate fault: in a file, one text in the place of another.
type bug struct{ name, file, old, new string }

// bugs are faults of the kind that collectors have had. The suite has to catch
// every one.
var bugs = []bug{
	{"commit without acknowledgement", "engine/deliver.go", "	err := f.err\n", "	err := error(nil)\n"},
	{"commit goes on after one that failed", "engine/deliver.go", "	r.failed = err != nil\n", "	r.failed = false\n"},
	{"rejected record is dropped", "engine/deliver.go", "	return d.e.putQuarantine(context.WithoutCancel(ctx), d.s, &bad, l.recs[rec].id, false)\n", "	_ = bad\n	return nil\n"},
	{"second half of a rejected batch is dropped", "engine/deliver.go", "	return d.send(ctx, l, mid, j)\n", "	return nil\n"},
	{"upload that fails too often is given up", "engine/deliver.go", "	case kindOf(err) != Rejected:\n		return err\n", "	case kindOf(err) == Transient:\n		return nil\n	case kindOf(err) != Rejected:\n		return err\n"},
	{"ids of pages that were not delivered are remembered", "engine/seen.go", "	return seenIDs(m.list[:n-removed]), same\n", "	return seenIDs(m.list), same\n"},
	{"window does not reach back", "engine/window.go", "later(position.Add(-p.Overlap), since)", "position"},
	{"window ends in the lag", "engine/run.go", "	r.end = r.saved.Add(-r.s.Position.Lag)\n", "	r.end = r.saved\n"},
	{"exclusive lower bound taken for inclusive", "engine/window.go", "	if p.FromExclusive {", "	if false && p.FromExclusive {"},
	{"memory of ids too short", "engine/window.go", "	f.windows, f.settle = w.To.Add(-p.Overlap-p.Granularity)", "	f.windows, f.settle = w.To.Add(p.Overlap/2)"},
	{"half a page counts as reached", "engine/page.go", "	w.Reached = r.page.reached\n", ""},
	{"expired token ends the window", "engine/run.go", "			if restarted = true; !expired {\n", "			if expired {\n				return nil\n			}\n			if restarted = true; !expired {\n"},
	{"window cut below what is done", "engine/run.go", "	if p.Ascending && !w.Disorder { // of", "	if false { // of"},
	{"listing that began in the middle is not doubted", "engine/run.go", "	case !w.Proof.IsZero() && (closed || r.page.doubt):\n", "	case false:\n"},
	{"record's own time says how long its id is known", "engine/page.go", "	} else {\n		fresh = r.seen.add(hash, r.until, r.floor)\n", "	} else {\n		fresh = r.seen.add(hash, at, r.floor)\n"},
	{"position in the future gone on with", "engine/retention.go", "	if at.After(now.Add(clockSlack)) {", "	if false {"},
	{"start in the future claimed", "engine/retention.go", "		if s.Start.After(now) {", "		if false {"},
	{"what the provider has deleted is asked for", "engine/retention.go", "	case c.Position.Before(oldest):\n", "	case false:\n"},
	{"what was lost is not in the ledger", "engine/retention.go", "	return r.e.addLedger(ctx, r.s, c.Windows, c.Fence, &entry, &gone)\n", "	_ = entry\n	return nil\n"},
	{"page token used with another request", "engine/checkpoint.go", "c.Asks != s.Asks &&", "false &&"},
	{"page token that is refused is asked with for ever", "engine/listing.go", "	return kindOf(err) == Permanent || w.Refused > 0\n", "	return false\n"},
	{"page that comes again and again is followed", "engine/listing.go", "	case w.same >= maxSame:\n", "	case false:\n"},
	{"list on the way that comes again is followed", "rest/trail.go", "	case t.same >= maxSame:\n", "	case false:\n"},
	{"same lines of a page taken for one event", "engine/names.go", "	if before == 0 {\n", "	if true {\n"},
	{"events of two streams have one name", "engine/names.go", "	if s.Shared {\n", "	if false {\n"},
	{"last page skipped", "engine/run.go", "	if err := r.mapPage(ctx, page); err != nil {\n", "	if page.Next == \"\" && r.work.Pages > 0 {\n		page.Records = nil\n	}\n	if err := r.mapPage(ctx, page); err != nil {\n"},
	{"page that names itself is followed", "engine/run.go", "page.Next != \"\" && r.asked[hashID([]byte(page.Next))] {", "false {"},
	{"cut off page is taken for whole", "engine/page.go", "			return errNotClosed\n", "			return nil\n"},
	{"window that is throttled is skipped", "engine/run.go", "		r.work = Progress{Window: w, Token: r.cursor, Cursor: r.cursor}\n		if err := r.window(ctx); err != nil {", "		r.work = Progress{Window: w, Token: r.cursor, Cursor: r.cursor}\n		if err := r.window(ctx); err != nil && kindOf(err) != Throttled {"},
	{"refused checkpoint ignored", "engine/run.go", "		return errors.Join(ErrLeaseLost, err)\n", "		return nil\n"},
	{"lease not checked", "engine/state.go", "	if l := c.Lease; l != nil && l.Until", "	if l := c.Lease; false && l.Until"},
	{"only the newest generation is read", "engine/checkpoint.go", "	for _, g := range gens {\n		c, err", "	for _, g := range gens[:1] {\n		c, err"},
	{"begins anew when no generation is valid", "engine/checkpoint.go", "	return nil, 0, false, &Error{Kind: Permanent, Op: \"read checkpoint of \" + key, Reason: \"checkpoint_unreadable\"", "	return nil, gens[0].Number, false, nil\n	return nil, 0, false, &Error{Kind: Permanent, Op: \"read checkpoint of \" + key, Reason: \"checkpoint_unreadable\""},
	{"digest of a checkpoint not compared", "engine/checkpoint.go", "	if e.Format < 1 || hex.EncodeToString(sum[:]) != e.SHA256 {", "	if e.Format < 1 || hex.EncodeToString(sum[:]) == \"\" {"},
	{"checkpoint of a later version read", "engine/checkpoint.go", "	if e.Format > Format {", "	if false {"},
	{"EventUid differs in a repeat", "engine/names.go", "		n.uid = append(n.uid, hash.text()...)\n", "		n.uid = strconv.AppendInt(append(n.uid, hash.text()...), int64(len(n.twins)), 10)\n"},
	{"quarantine keeps a copy that is not exact", "engine/record.go", "err == nil && bytes.Equal(same, b.Body) {", "err == nil && (bytes.Equal(same, b.Body) || true) {"},
	{"past ends in the lag of what comes late", "engine/gap.go", "	to := r.end.Add(-p.Overlap)", "	to := r.saved"},
	{"past begins anew in its lane", "engine/gap.go", "\tpast := c.inline()\n", "\tpast := c.inline()\n\tpast.Position, past.Window, past.Seen = r.s.Start, nil, nil\n"},
	{"gap forgotten too early", "engine/gap.go", "c.Position.Before(g.To) {", "c.Position.Before(g.From) {"},
	{"sign-in page taken for no records", "rest/source.go", "	case answer.IsHTML(kind, text):\n		return nil, l.foreign(kind)\n", "	case answer.IsHTML(kind, text):\n		return &decode.Body{JSON: []byte(\"[]\")}, nil\n"},
	{"empty page taken for the last", "rest/ends.go", "	more := p.more >= 0 && truthy(", "	if r.n == 0 {\n		return true, nil\n	}\n	more := p.more >= 0 && truthy("},
	{"page token that is gone is asked for for ever", "answer/status.go", "		return fmt.Errorf(\"%w: %w\", engine.ErrTokenExpired, cause)\n", "		return e.Fail(engine.Permanent, \"gone\", \"\", cause, 0)\n"},
	{"next page at another origin followed", "rest/links.go", "	return u.Scheme == r.base.Scheme && hostPort(u) == hostPort(r.base)\n", "	return true\n"},
	{"listing that ends before its total is believed", "rest/ends.go", "		return true, p.complete(r, more)\n", "		return true, nil\n"},
	{"text 0 ends a listing", "rest/links.go", "\"false\", \"{}\"}", "\"false\", \"0\", \"{}\"}"},
	{"link in single quotes ends a listing", "rest/paging_link.go", "text[0] != '\"' && text[0] != '\\''", "text[0] != '\"'"},
	{"one detail that is gone stops its stream", "rest/items.go", "	if err := r.atFault(ctx, sc, place, e); err != nil {\n", "	if err := e; err != nil {\n"},
	{"details that all fail are set aside", "rest/items.go", "	case !permanent:\n		return e\n", "	case true:\n		return nil\n"},
	{"error in the place of a detail taken for it", "rest/page.go", "	if err == nil && !listed {\n", "	if err == nil && !listed && false {\n"},
	{"empty page that says why taken for the end", "rest/page.go", "		return found, p.emptyForAReason(body)\n", "		return found, nil\n"},
	{"old details that are gone hide new ones", "rest/items.go", "	at := []int{last, item + 1, 0, item - 1}\n", "	at := []int{item + 1, item + 2, 0, item - 1}\n"},
	{"permission that is missing sets details aside", "rest/items.go", "	if permanent && (luck.since", "	if luck.had != nil || permanent && (luck.since"},
	{"detail set aside is dropped", "rest/items.go", "		page.Bad = append(page.Bad, bad)\n", "		_ = bad\n"},
	{"fault that hits once sets a record aside", "rest/items.go", "	return f.tries < e.tries\n", "	return false\n"},
	{"mates of a bad one in a batch are left out", "rest/steps.go", "	end := min(above.Item+span, len(items))\n", "	end := min(above.Item+max(span, r.batch(level)), len(items))\n"},
	{"step asks without the member that it needs", "rest/needs.go", "why := n.lacking(item); why != \"\"", "why := n.lacking(item); false"},
	{"error object taken for a record", "rest/page.go", "	if records == 1 && documents == 1 && !p.alone && !page.Lines || records > 0 && records < documents {\n", "	if false {\n"},
	{"renamed place of records is an empty page", "scan/place.go", "	case found < 0:\n		return &ShapeError{", "	case found < 0:\n		return nil\n		return &ShapeError{"},
	{"second document of a body is not read", "engine/page.go", "	case lists && !open:\n", "	case lists && !open && false:\n"},
	{"redirect to another origin followed", "rest/connection.go", "	if !r.sameOrigin(req.URL) {", "	if false {"},
	{"wrong clock not noticed", "rest/source.go", "			err = r.checkClock(resp)\n", "			err = nil\n"},
	{"credential kept in a page token", "rest/paging.go", "		page.Next = mask(next)\n", "		page.Next = next\n"},
	{"credential echoed in an error", "auth/secrets.go", "{ return cover(text, s.find(text)) }", "{ return text }"},
	{"credential cut in half is not redacted", "auth/secrets.go", "s.find(text[:read+edge]), read", "s.find(text[:read]), read"},
	{"credential in base64 behind another is not found", "auth/secrets.go", "range t.base64 {\n				found", "range t.base64[:1] {\n				found"},
	{"token that looks sealed pulls a credential out", "auth/secrets.go", "	if !strings.Contains(token, mark) && len(", "	if len("},
	{"limit that comes as 403 taken for a missing permission", "answer/limited.go", " || limitCode.Match(text) || limitPhrase.Match(address.ReplaceAll(text, nil))", ""},
	{"reset in milliseconds read as seconds", "answer/wait.go", "	case n < 1e14:\n		n /= 1e3\n", "	case n < 1e14:\n"},
	{"reset in a week is waited for", "answer/wait.go", "	if !ok || d > farReset {", "	if !ok {"},
	{"life of a token not read", "auth/token.go", "lifeOf(field(\"expires_in\"))", "time.Duration(0)"},
	{"403 for good asks for a token each time", "auth/auth.go", "(t.known || !t.used) {", "false {"},
	{"cookie changed on its way", "auth/sendable.go", "	req.Header.Set(\"Cookie\", name+\"=\"+value)\n", "	req.AddCookie(&http.Cookie{Name: name, Value: value})\n"},
	{"answer that stops is waited for", "rest/patience.go", "cancel(&answer.Silence{Long: p.idle, When: \"in the middle of the answer\"})", ""},
	{"private address connected to", "rest/network.go", "	host := r.base.Hostname()\n", "	host := \"localhost\"\n	if true {\n		return nil\n	}\n"},
	{"every row refused sends all to quarantine", "engine/deliver.go", "	case !d.takes():\n", "	case false:\n"},
	{"rows sent one by one are sent again", "engine/deliver.go", "i, j, slices.Sorted(slices.Values(t.rows)))", "i, j, slices.Sorted(slices.Values(t.rows[:0])))"},
	{"lone refused row holds its stream up", "engine/deliver.go", "	case alike && last > 0, !t.canary && !d.first():", "	case true:"},
	{"lease not renewed while a call is out", "engine/budget.go", "		case <-tick.C:\n", "		case <-tick.C:\n			continue\n"},
	{"call that hangs holds the run", "engine/budget.go", "deadline.Sub(e.Clock.Now())+grace)", "deadline.Sub(e.Clock.Now())+time.Hour)"},
	{"rule that breaks during a run sends all to quarantine", "engine/deliver.go", "	if doubt {", "	if doubt && false {"},
	{"checkpoint that is gone begins anew", "engine/checkpoint.go", "= e.find(ctx, s.Key())", "= LoadCheckpoint(ctx, e.Store, s.Key())"},
	{"skip listed again by the overlap", "engine/state.go", "	c.Position, c.Since, c.Window, c.Cursor,", "	c.Position, _, c.Window, c.Cursor,"},
	{"stream that is held for ever says nothing", "engine/run.go", "	if r.rep.Outcome != Skipped || e.quiet(last, s.Key()) {", "	if r.rep.Outcome != Skipped {"},
	{"torn line swallows the next", "dir/dir.go", "	if torn {\n", "	if torn && false {\n"},
	{"address taken for a folder", "dir/dir.go", "	if address.MatchString(root) {", "	if false {"},
	{"item asked for again is replayed in part", "engine/replay.go", "		token = page.Next\n", "		token, page.Next = page.Next, \"\"\n		return nil\n"},
	{"mates of a damaged record are dropped with it", "engine/damaged.go", "	return rest[:n]\n", "	return rest\n"},
	{"last line cut on its way taken for a bad one", "engine/damaged.go", "	r.cutLine = h\n	return", "	return nil\n	return"},
	{"web page taken for bad records", "engine/damaged.go", "	if !alike {", "	if false {"},
	{"rows that went to the next batch stay in this one", "engine/batch.go", "	}\n	b.undo()\n", "	}\n"},
	{"ids of a part are forgotten when it is opened", "engine/stow.go", "	c.Seen = append(all, c.Seen...)\n", "	_ = all\n"},
	{"ids that have changed stay in their part", "engine/stow.go", "		if n += p.IDs; n > same {", "		if n += p.IDs; false {"},
	{"parts are deleted while a generation names them", "engine/stow.go", "		if p.Since+KeptGenerations >= gen {", "		if p.Since == 0 {"},
	{"a record of which a row was refused counts as delivered", "engine/commit.go", "f.rejected != nil && f.rejected[i]", "false"},
	{"a page is acknowledged whose commit has failed", "engine/commit.go", "	if err := r.save(ctx); err != nil {\n		return err\n	}\n	r.tell()\n", "	if err := r.acknowledge(ctx, f.marks); err != nil {\n		return err\n	}\n	if err := r.save(ctx); err != nil {\n		return err\n	}\n	r.tell()\n"},
	{"cursor forgotten", "engine/commit.go", "	c.Position, c.Cursor = w.To, w.Cursor\n", "	c.Position, c.Cursor = w.To, \"lost\"\n"},
	{"reader goes on after a crash", "engine/checkpoint.go", "	if s.Position.Moving && (c.Lease != nil || recovered) {", "	if false {"},
	{"pages of an iterator are asked for ahead", "rest/source.go", "		page.Steady = !r.moves()\n", "		page.Steady = true\n"},
	{"page is asked for ahead when there is no time for it", "engine/ahead.go", " || !r.timeForAPage() {", " {"},
	{"call ahead outlives the run", "engine/run.go", "	defer r.dropAhead()\n", ""},
	{"reader goes on after a page that was lost", "engine/run.go", "			r.astray = true // it may have been sent\n", ""},
	{"reader's page is not committed at once", "rest/paging_iterator.go", "page.Cursor, page.Commit = next, w.p.aside > 0 || !empty(page.Records)", "page.Cursor, page.Commit = next, false"},
	{"snapshot forgets what it has", "engine/window.go", "		f.windows = w.To\n", "		f.windows = w.To.Add(time.Second)\n"},
	{"what was looked up is known before it is delivered", "rest/steps.go", "	if l.step != nil && l.step.Once {\n		for _, item", "	if l.step != nil && l.step.Once && end < len(items) {\n		page.Done = append(page.Done, r.key(level, items[end]))\n	}\n	if l.step != nil && l.step.Once {\n		for _, item"},
	{"list that has changed is not begun anew", "rest/steps.go", "		if f.Sum != l.sum { //", "		if f.Sum == \"\" { //"},
	{"list cut short ends where it was cut", "scan/records.go", "	return w.stop(&SyntaxError{p, \"the list of records is not closed\"})\n", "	return len(w.src)\n"},
	{"last part of a job skipped", "rest/job.go", "	l.sum = digestOf(l.items)\n", "	if n := len(l.items); n > 1 {\n		l.items = l.items[:n-1]\n	}\n	l.sum = digestOf(l.items)\n"},
	{"job that is running has no parts", "rest/job.go", "		return j.fail(engine.Throttled, engine.JobRunning", "		j.loaded[0], j.name = &loaded{}, f.Token\n		return nil\n		return j.fail(engine.Throttled, engine.JobRunning"},
	{"memory that was read into is not given back", "engine/room.go", "	r.used -= n\n", ""},
	{"pages that were delivered are kept", "engine/deliver.go", "		r.flights = slices.Delete(r.flights, 0, 1)\n", "		r.flights = r.flights[1:]\n"},
	{"runs wait for memory of each other", "engine/room.go", "	case q.grows && (r.beyond == nil || r.beyond == q.share):\n", "	case false:\n"},
	{"page larger than the limit read in part", "decode/growth.go", "			return nil, ErrTooLarge\n		case err == io.EOF:", "			return out[:Max], nil\n		case err == io.EOF:"},
	{"checkpoint written without condition", "azblob/azblob.go", "		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: cond},\n", ""},
	{"refused write taken for our own", "azblob/azblob.go", "number(resp.Metadata) != n || !bytes.Equal(got, data)", "len(got) == 0"},
	{"own write after a lost answer taken for another's", "azblob/azblob.go", "		if s.wrote(ctx, name, n, data, r) {", "		if false && s.wrote(ctx, name, n, data, r) {"},
	{"generation written over", "dir/dir.go", "	err := os.Link(written, mine)\n", "	err := os.Rename(written, mine)\n"},
	{"writer that slept long not noticed", "dir/dir.go", "	if numbers[0] != after+1 {", "	if len(numbers) == 0 {"},
	{"failed upload taken for acknowledged", "logsingest/logsingest.go", "	if err != nil {\n		return s.explain(b.Table, rule, err)\n	}\n", "	_ = err\n"},
	{"rows follow a redirect", "logsingest/logsingest.go", ", CheckRedirect: netguard.NotSentOn}", "}\n	_ = netguard.NotSentOn"},
	{"sink's clock does not count for a window without rows", "engine/run.go", "		err = sink.CheckClock(ctx)\n", "		_ = sink\n"},
	{"sink's clock does not count", "logsingest/wire.go", "	if w.ahead <= engine.MaxSkew {", "	if w.ahead <= engine.MaxSkew || true {"},
	{"bad row holds its batch up for ever", "logsingest/logsingest.go", "		e.Kind, e.Reason = engine.Rejected, ", "		e.Kind, e.Reason = engine.Transient, "},
	{"missing role sends rows to quarantine", "logsingest/logsingest.go", "		e.Kind, e.Reason = engine.Auth, \"dcr_role_missing\"", "		e.Kind, e.Reason = engine.Rejected, \"dcr_role_missing\""},
}

func (b *bug) path() string { return filepath.Join("..", filepath.FromSlash(b.file)) }

// seed returns the file with the bug in it.
func (b *bug) seed(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(b.path())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), b.old); n != 1 {
		t.Fatalf("%s: the text that is to be changed is %d times in %s: %q", b.name, n, b.file, b.old)
	}
	return strings.Replace(string(data), b.old, b.new, 1)
}

// TestSeededBugsFitTheCode: each seeded bug still has its place.
func TestSeededBugsFitTheCode(t *testing.T) {
	for i := range bugs {
		t.Run(bugs[i].name, func(t *testing.T) { bugs[i].seed(t) })
	}
	if len(bugs) < 25 {
		t.Errorf("only %d bugs", len(bugs))
	}
}

// TestSeededBugsAreCaught builds each bug into the program and runs the suite
// until a test fails.
func TestSeededBugsAreCaught(t *testing.T) {
	if *bugsFlag == "" {
		t.Skip("give -bugs .; scripts/prove does")
	}
	chosen := regexp.MustCompile(*bugsFlag)
	caught, n := 0, 0
	for i := range bugs {
		b := &bugs[i]
		if !chosen.MatchString(b.name) {
			continue
		}
		n++
		by := b.caughtBy(t)
		if by == "" {
			t.Errorf("%s: no test catches it", b.name)
			continue
		}
		caught++
		t.Logf("%-52s %s", b.name, by)
	}
	t.Logf("%d of %d seeded bugs caught", caught, n)
}

// suites are run one after the other until one fails.
var suites = [][]string{
	{"-seeds", "40", "-run", "TestSimulation$", "./handler/proof"},
	{"./handler/engine", "./handler/rest", "./handler/answer", "./handler/auth", "./handler/dir", "./handler/scan", "./handler/decode", "./handler/config", "./handler/logsingest", "./connectors"},
	{"-run", "TestCrashPoints$", "./handler/proof"},
	{"-run", "TestTheSimulated|TestAWrite|TestSevenDays", "./handler/proof", "./handler/azblob"},
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	panicking  = regexp.MustCompile(`(?m)^panic: (.*)`)
	hanging    = regexp.MustCompile(`(?s)test timed out.*running tests:\s*(\S+)`)
)

// caughtBy returns the first test that fails with the bug, or "".
func (b *bug) caughtBy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(b.file))
	original, err := filepath.Abs(b.path())
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{changed: []byte(b.seed(t)), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, suite := range suites {
		args := append([]string{"test", "-overlay", filepath.Join(dir, "overlay.json"), "-vet=off", "-count=1", "-failfast", "-timeout", "90s"}, packagesLast(suite)...)
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		if m := failedTest.FindAllSubmatch(out, -1); m != nil {
			return string(m[len(m)-1][1])
		}
		if strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]") {
			t.Errorf("%s does not compile:\n%s", b.name, out)
			return ""
		}
		if m := hanging.FindSubmatch(out); m != nil {
			return string(m[1]) + ", which hangs"
		}
		if m := panicking.FindSubmatch(out); m != nil {
			return "a panic: " + string(m[1])
		}
		t.Errorf("%s: no test failed, but:\n%s", b.name, out)
		return ""
	}
	return ""
}

// packagesLast puts flags that the test binary reads behind the packages.
func packagesLast(suite []string) []string {
	i := slices.IndexFunc(suite, func(s string) bool { return strings.HasPrefix(s, "./") })
	return append(slices.Clone(suite[i:]), suite[:i]...)
}
