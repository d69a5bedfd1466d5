package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/author"
	"github.com/sluice-connectors/sluice/handler/cases"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/stream"
)

// recording is what sluice record is told.
type recording struct {
	poll
	name, shows, part string
	pages             int
}

func recordCommand(std *stdio) *cobra.Command {
	var r recording
	cmd := &cobra.Command{
		Use:   "record CONNECTOR --stream STREAM",
		Short: "Make a case of what a provider really answers",
		Long: `Record collects a stream once, keeps what was asked and answered, and writes it as a
case into the connector's folder: testdata/STREAM/CASE. Nothing is sent to a
workspace. Settings come from --set and from the environment, secrets from the
environment only, as with poll; in the case test values stand in their place.

Answers are kept as they came, but for secrets: look through them for what should
not be in a repository, such as names of people, before you commit them.`,
		Example: `  export OKTA_API_TOKEN=…
  sluice record okta --stream system_log --set domain=contoso.okta.com --from -10m
  sluice record okta --stream system_log --set domain=contoso.okta.com --case busy_hour --from -1h --pages 3
  sluice test okta --stream system_log`,
		Args: exactlyOne("CONNECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.connector = args[0]
			return r.run(cmd.Context(), std, logger(cmd, std.err))
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.stream, "stream", "", "the stream (default: the only one)")
	f.StringVar(&r.part, "part", "", "the part of a stream that is collected in parts (default: the first)")
	f.StringVar(&r.name, "case", "first_poll", "name of the case")
	f.StringVar(&r.shows, "shows", "What the provider really answered.", "what the case shows, in a sentence")
	f.StringVar(&r.from, "from", "-10m", "from when: -10m, -1d, a date or an RFC 3339 time")
	f.IntVar(&r.pages, "pages", 5, "stop after so many answers")
	f.StringArrayVar(&r.set, "set", nil, "a setting: name=value (repeat for more)")
	f.StringVar(&r.base, "base-url", "", "another address of the provider")
	return cmd
}

func (r *recording) run(ctx context.Context, std *stdio, log *slog.Logger) error {
	dir, err := connectorFolder(r.connector, std.err)
	if err != nil {
		return err
	}
	r.connector = filepath.Join(dir, "connector.yaml")
	now := time.Now().UTC().Truncate(time.Second)
	res, err := r.resolve(now)
	if err != nil {
		return err
	}
	c := res.Connector
	s := &c.Streams[0]
	switch {
	case r.stream != "":
		s = c.Stream(r.stream)
	case len(c.Streams) > 1:
		return usageError("%s has several streams: say which with --stream", c.Name)
	}
	folder := filepath.Join(dir, "testdata", s.Name, r.name)
	if _, err := os.Stat(filepath.Join(folder, "exchange.yaml")); err == nil {
		return usageError("%s is there already: give the case another name with --case", folder)
	}
	rec, settings := r.recorder(res)
	start := res.Start.UTC().Truncate(time.Second)
	clock, part, err := replay(ctx, c, s, r.part, start, now, rest.Options{BaseURL: res.BaseURL, Settings: res.Settings, Transport: app.Providers, PrivateNetwork: res.Private,
		Through: func(next http.RoundTripper, _ func(string) string) http.RoundTripper {
			rec.Next = next
			return &limited{rec, r.pages}
		}})
	exchanges := rec.Recorded()
	if len(exchanges) == 0 {
		if err != nil {
			return err
		}
		return fmt.Errorf("nothing was asked: %s has no window yet between %s and now", s.Name, start.Format(time.RFC3339))
	}
	if err != nil {
		log.Warn("the run did not come to its end; the case holds what it saw", "error", err)
	}
	if err := author.Write(folder, author.CaseFiles(r.shows, settings, part, start, now, clock.Slept(), exchanges)); err != nil {
		return err
	}
	result, err := cases.Check(ctx, c, s, folder, true)
	if err != nil {
		return err
	}
	printCase(std.out, result)
	fmt.Fprintf(std.out, "wrote %s: %s; look through it for what should not be in a repository\n", folder, plural(int64(len(exchanges)), "answer"))
	return nil
}

// recorder keeps exchanges, with test values in the place of secrets.
func (r *recording) recorder(res *config.Resolved) (*author.Recorder, map[string]string) {
	secrets, settings := map[string]string{}, map[string]string{}
	for _, set := range res.Connector.Settings {
		switch value := res.Settings[set.Name]; {
		case set.Secret && value != "":
			secrets[set.Name], settings[set.Name] = value, "test-"+set.Name
		case value != "" && value != set.Default:
			settings[set.Name] = value
		}
	}
	tokens, _, _ := strings.Cut(spec.Placeholder.ReplaceAllString(res.Connector.Auth.TokenURL, ""), "?")
	tokens = strings.Trim(tokens, "/")
	skip := func(req *http.Request) bool {
		return res.Connector.Auth.Type == "azure" && req.URL.Host == "login.microsoftonline.com" || tokens != "" && strings.HasSuffix(req.URL.Host+req.URL.Path, tokens[strings.LastIndex(tokens, "//")+1:])
	}
	return &author.Recorder{Scrub: author.Scrubber(secrets), Skip: skip}, settings
}

// limited ends a listing after so many answers.
type limited struct {
	next *author.Recorder
	left int
}

func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if len(l.next.Recorded()) > l.left {
		return nil, errEnough
	}
	return resp, err
}

// replay runs a stream once as opt says, from start to now, and keeps nothing. It
// returns how the time went, and which part of the stream it was.
func replay(ctx context.Context, c *spec.Connector, s *spec.Stream, part string, start, now time.Time, opt rest.Options) (*author.Clock, string, error) {
	clock := &author.Clock{Start: now}
	opt.Now, opt.UserAgent, opt.Azure = clock.Now, "Sluice/"+app.Version(), app.AzureToken
	conn, err := rest.Open(c, opt)
	if err != nil {
		return clock, part, err
	}
	if parts := conn.Parts(s); part == "" && len(parts) > 0 {
		part = parts[0]
	}
	one, err := stream.New(conn, s, part)
	if err != nil {
		return clock, part, err
	}
	one.Start = start
	e := sentinel.NewEngine(memory.NewStore(), memory.NewSink(), slog.New(slog.DiscardHandler))
	e.Clock, e.InFlight = clock, 1
	return clock, part, e.Run(ctx, one, 10*time.Minute).Err
}
