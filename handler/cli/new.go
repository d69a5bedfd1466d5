package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/author"
	"github.com/sluice-connectors/sluice/handler/cases"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// draft is what sluice new is told.
type draft struct {
	author.Draft
	sample, records, dir string
	params               []string
}

func newCommand(std *stdio) *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a new connector from one answer of its API",
		Long: `New asks what it has to know, unless flags say it: the API's address, the path of
the list, how it is authenticated, and the parameters for a range of time. It then
calls the API once, finds the records, their id, their time, their members and the
next page in the answer, and writes

  connectors/NAME/connector.yaml, README.md
  connectors/NAME/testdata/STREAM/first_poll   the answer, as a first case

What it could not tell stands in brackets, or has a comment that says to look it up.
The credential comes from the environment (NAME_API_TOKEN, or NAME_USERNAME and
NAME_PASSWORD), never from the command line, and is in no file afterwards. Without a
credential, give an answer in a file: --sample answer.json.`,
		Example: `  export ACME_API_TOKEN=…
  sluice new acme --base-url https://api.acme.example --path /v1/events \
    --auth api_key --header X-Api-Key --from-param since --to-param until
  sluice new acme --base-url https://api.acme.example --path /v1/events --sample answer.json
  sluice test connectors/acme        # runs the first case
  sluice poll connectors/acme --from -1h -o table`,
		Args: exactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Name = args[0]
			return d.run(cmd.Context(), std)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.Title, "title", "", "what people call it (default: the name)")
	f.StringVar(&d.BaseURL, "base-url", "", "scheme and host of the API: https://api.acme.example")
	f.StringVar(&d.Path, "path", "", "path of the list: /v1/events")
	f.StringVar(&d.Auth.Type, "auth", "", "none, bearer, api_key or basic")
	f.StringVar(&d.Auth.Header, "header", "", "api_key: the header (default: Authorization)")
	f.StringVar(&d.Auth.Query, "query-key", "", "api_key: the query parameter, instead of a header")
	f.StringVar(&d.Auth.Prefix, "prefix", "", "api_key: a word before the key, such as Token")
	f.StringVar(&d.FromParam, "from-param", "", "parameter for the beginning of a range of time")
	f.StringVar(&d.ToParam, "to-param", "", "parameter for its end")
	f.StringVar(&d.TimeFormat, "time-format", "", "how these are written: rfc3339, unix, unix_ms, yyyy-MM-dd … (default: as in the records)")
	f.StringArrayVar(&d.params, "param", nil, "a further parameter: name=value (repeat for more)")
	f.StringVar(&d.Stream, "stream", "events", "name of the stream")
	f.StringVar(&d.Table, "table", "", "name of the table (default: NameEvents_CL)")
	f.StringVar(&d.records, "records", "", "path of the records, such as $.items (default: the longest list)")
	f.StringVar(&d.sample, "sample", "", "a file with an answer, instead of calling the API")
	f.StringVar(&d.dir, "dir", "connectors", "folder of connectors")
	return cmd
}

var newName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (d *draft) run(ctx context.Context, std *stdio) error {
	if !newName.MatchString(d.Name) {
		return usageError("the name %q has to be lower-case letters, digits and hyphens, and begin with a letter", d.Name)
	}
	if spec.Reserved(d.Name) {
		return usageError("the name %s is taken by Sluice's own", d.Name)
	}
	if others := known().Sharing(&spec.Connector{Name: d.Name}); len(others) > 0 {
		return usageError("the name %s is taken: %s has its function and its app settings; choose another", d.Name, others[0])
	}
	folder := filepath.Join(d.dir, d.Name)
	if _, err := os.Stat(filepath.Join(folder, "connector.yaml")); err == nil {
		return usageError("%s is there already", filepath.Join(folder, "connector.yaml"))
	}
	if err := d.ask(std); err != nil {
		return err
	}
	from := time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second)
	body, header, err := d.answer(ctx, std, from)
	if err != nil {
		return err
	}
	if d.records != "" {
		d.Guess, err = author.InferAt(body, header, d.records)
	} else {
		d.Guess, err = author.Infer(body, header)
	}
	if err != nil {
		return err
	}
	if d.Granularity, err = spec.Granularity(d.Format()); err != nil {
		return err
	}
	files, err := d.Files()
	if err != nil {
		return err
	}
	c, err := spec.Parse("connector.yaml", files["connector.yaml"])
	if err != nil {
		return fmt.Errorf("the draft is not valid: a flag says what cannot be, or the answer's shape is new to us:\n%w", err)
	}
	if err := author.Write(folder, files); err != nil {
		return err
	}
	if err := d.firstCase(ctx, c, folder, from, body, header); err != nil {
		return err
	}
	return d.report(std.out, folder)
}

// ask asks for what no flag says, where there is somebody to ask.
func (d *draft) ask(std *stdio) error {
	in := bufio.NewReader(std.in)
	question := func(to *string, text, otherwise, flag string) error {
		if *to != "" {
			return nil
		}
		fmt.Fprintf(std.err, "%s [%s]: ", text, cmp.Or(otherwise, "needed"))
		line, _ := in.ReadString('\n')
		*to = cmp.Or(strings.TrimSpace(line), otherwise)
		if *to == "" {
			fmt.Fprintln(std.err)
			return usageError("not known: %s; give --%s", text, flag)
		}
		return nil
	}
	for _, q := range []struct {
		to                    *string
		text, otherwise, flag string
	}{
		{&d.BaseURL, "Address of the API (https://…)", "", "base-url"},
		{&d.Path, "Path of the list", "", "path"},
		{&d.Auth.Type, "How it is authenticated (none, bearer, api_key, basic)", "bearer", "auth"},
	} {
		if err := question(q.to, q.text, q.otherwise, q.flag); err != nil {
			return err
		}
	}
	if err := oneOf("auth", d.Auth.Type, "none", "bearer", "api_key", "basic"); err != nil {
		return err
	}
	if _, err := netguard.ParseBase(d.BaseURL); err != nil {
		return usageError("--base-url: %v", err)
	}
	if !strings.HasPrefix(d.Path, "/") {
		return usageError("--path %s has to begin with /", d.Path)
	}
	if _, err := spec.Granularity(d.TimeFormat); err != nil {
		return usageError("--time-format: %v", err)
	}
	d.Query = map[string]string{}
	if path, query, ok := strings.Cut(d.Path, "?"); ok { // as it was copied from a page
		given, err := url.ParseQuery(query)
		if err != nil {
			return usageError("--path %s: %v", d.Path, err)
		}
		for k := range given {
			d.Query[k] = given.Get(k)
		}
		d.Path = path
	}
	for _, kv := range d.params {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return usageError("--param %s: want name=value", kv)
		}
		d.Query[k] = v
	}
	d.Title = cmp.Or(d.Title, strings.ToUpper(d.Name[:1])+d.Name[1:])
	d.Publisher = d.Title
	if d.Table == "" {
		for _, part := range strings.Split(d.Name, "-") {
			if part != "" {
				d.Table += strings.ToUpper(part[:1]) + part[1:]
			}
		}
		d.Table += strings.ToUpper(d.Stream[:1]) + d.Stream[1:] + "_CL"
	}
	return nil
}

// answer is an answer of the API: the sample, or that of one call.
func (d *draft) answer(ctx context.Context, std *stdio, from time.Time) ([]byte, http.Header, error) {
	if d.sample != "" {
		body, err := os.ReadFile(d.sample)
		return body, http.Header{}, err
	}
	req, err := d.request(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(std.err, "asking %s …\n", d.BaseURL+d.Path)
	client := &http.Client{Timeout: time.Minute, Transport: app.Providers, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be reached: %w", req.URL.Host, unwrapURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		hint := ""
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			hint = "; check " + d.Env(cmp.Or(d.Auth.Secret(), "api_token"))
		}
		return nil, nil, fmt.Errorf("%s answered %s%s", req.URL.Host, resp.Status, hint)
	}
	return body, resp.Header, nil
}

// unwrapURL is an error without the address, which may hold a credential.
func unwrapURL(err error) error {
	if ue, ok := err.(*url.Error); ok {
		return ue.Err
	}
	return err
}

// request is the one call. The credential comes from the environment.
func (d *draft) request(ctx context.Context, from time.Time) (*http.Request, error) {
	u, err := url.Parse(strings.TrimSuffix(d.BaseURL, "/") + d.Path)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	for k, v := range d.Query {
		q.Set(k, v)
	}
	format, err := spec.TimeFormat(cmp.Or(d.TimeFormat, "rfc3339"))
	if err != nil {
		return nil, usageError("--time-format: %v", err)
	}
	if d.FromParam != "" {
		q.Set(d.FromParam, format(from))
	}
	if d.ToParam != "" {
		q.Set(d.ToParam, format(from.Add(24*time.Hour)))
	}
	secret := os.Getenv(d.Env(cmp.Or(d.Auth.Secret(), "api_token")))
	if d.Auth.Type != "none" && secret == "" {
		return nil, usageError("there is no credential: set %s, or give an answer with --sample", d.Env(d.Auth.Secret()))
	}
	if d.Auth.Query != "" {
		q.Set(d.Auth.Query, secret)
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Sluice/"+app.Version())
	switch {
	case d.Auth.Type == "bearer":
		req.Header.Set("Authorization", "Bearer "+secret)
	case d.Auth.Type == "basic":
		req.SetBasicAuth(os.Getenv(d.Env("username")), secret)
	case d.Auth.Type == "api_key" && d.Auth.Query == "":
		req.Header.Set(cmp.Or(d.Auth.Header, "Authorization"), strings.TrimSpace(d.Auth.Prefix+" "+secret))
	}
	return req, nil
}

// firstCase makes a case of the answer.
func (d *draft) firstCase(ctx context.Context, c *spec.Connector, folder string, from time.Time, body []byte, header http.Header) error {
	settings := map[string]string{}
	secrets := map[string]string{}
	for _, s := range c.Settings {
		settings[s.Name] = "test-" + s.Name
		secrets[s.Name] = os.Getenv(c.EnvName(s.Name))
	}
	withoutSecrets := author.Scrubber(secrets)
	scrub := func(s string) string { // a server on this machine becomes the https one that the connector names
		return strings.ReplaceAll(withoutSecrets(s), strings.TrimSuffix(d.BaseURL, "/"), c.BaseURL)
	}
	now := from.Add(24 * time.Hour)
	first := []byte(scrub(string(body)))
	answered := &twoAnswers{bodies: [][]byte{first, d.Guess.Last(first)}, link: scrub(header.Get("Link")), now: now}
	rec := &author.Recorder{Next: answered, Scrub: scrub}
	s := &c.Streams[0]
	if _, _, err := replay(ctx, c, s, "", from, now, rest.Options{BaseURL: c.BaseURL, Settings: settings, Transport: rec}); err != nil {
		return err
	}
	dir := filepath.Join(folder, "testdata", s.Name, "first_poll")
	files := author.CaseFiles("The first poll.", settings, "", from, now, 0, rec.Recorded())
	if err := author.Write(dir, files); err != nil {
		return err
	}
	_, err := cases.Check(ctx, c, s, dir, true)
	return err
}

// twoAnswers gives the one answer that there is, and then one like it without records.
type twoAnswers struct {
	bodies [][]byte
	link   string
	now    time.Time
}

func (a *twoAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}, "Date": {a.now.Format(http.TimeFormat)}}
	if a.link != "" {
		h.Set("Link", a.link)
	}
	body := a.bodies[0]
	a.bodies, a.link = a.bodies[len(a.bodies)-1:], ""
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: h, Request: req, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
}

func (d *draft) report(out io.Writer, folder string) error {
	g := d.Guess
	fmt.Fprintf(out, "%s\n  records  %s (%d in the answer, %s by time)\n  id       %s\n  time     %s\n  columns  %d in %s\n  paging   %s\n", filepath.Join(folder, "connector.yaml"), g.Records, g.Count, cmp.Or(map[string]string{"none": "in no order"}[g.Order], g.Order), cmp.Or(g.ID, "none"), g.Time, len(g.Columns)+1, d.Table, g.Paging)
	for _, n := range g.Notes {
		fmt.Fprintf(out, "  look at: %s\n", n)
	}
	if connectors.Builtin(d.Name) {
		fmt.Fprintf(out, "  look at: %s is built in too; yours takes its place wherever its folder is named\n", d.Name)
	}
	fmt.Fprintf(out, "next:\n  sluice test %s        # the first case, and all ways to fail\n  sluice poll %s --from -1h -o table\n  look for brackets and comments in %s\n", folder, folder, filepath.Join(folder, "connector.yaml"))
	fmt.Fprintf(out, "  connectors: [%s] in sluice.yaml, or SLUICE_CONNECTORS=%s, has it known as %s to all commands\n", d.dir, d.dir, d.Name)
	return nil
}
