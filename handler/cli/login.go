package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
)

func loginCommand(std *stdio) *cobra.Command {
	var path string
	var port int
	cmd := &cobra.Command{
		Use:   "login CONNECTION",
		Short: "Agree once, in a browser, that a connection may read",
		Long: `Login is for providers that give access only when a person agrees (grant:
authorization_code). It prints the address of the provider's page; open it in a
browser on this machine, sign in and agree. The provider then sends the browser
back to Sluice, which keeps what it needs, sealed, in the connection's store.

In the provider's app, allow the redirect address http://127.0.0.1:PORT/.`,
		Example: "  sluice login contoso --config sluice.yaml --port 8765",
		Args:    exactlyOne("CONNECTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := configured(cmd, std, path)
			if err != nil {
				return err
			}
			conn, err := a.One(args[0])
			if err != nil {
				return err
			}
			return login(cmd.Context(), a, std, conn, port)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (default: sluice.yaml, else app settings)")
	cmd.Flags().IntVar(&port, "port", 8765, "port on 127.0.0.1 that the browser comes back to")
	return cmd
}

// loginTime is how long a person has to agree.
const loginTime = 10 * time.Minute

func login(ctx context.Context, a *app.App, std *stdio, c *app.Connection, port int) error {
	if g := c.Connector.Auth.Grant; g != "authorization_code" {
		return usageError("%s needs no login: its credentials are settings", cmp.Or(c.Name, c.Connector.Name))
	}
	conn, err := app.OpenConnection(&c.Resolved, a.Store, a.Log)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return portTaken(fmt.Sprint(port), err)
	}
	redirect := "http://" + ln.Addr().String() + "/"
	login := conn.BeginLogin(redirect)
	codes := make(chan answer, 1)
	srv := &http.Server{Handler: codeHandler(login.State, codes), ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	fmt.Fprintf(std.out, "open this address in a browser on this machine and agree:\n\n  %s\n\n", login.URL)
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	select {
	case got := <-codes:
		if got.err != nil {
			return got.err
		}
		if err := login.Finish(ctx, got.code); err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("nobody agreed within %s", loginTime)
	}
	fmt.Fprintf(std.out, "%s may read now; what it needs for that is kept, sealed, in the store\n", c.Name)
	return nil
}

// answer is what the provider sends the browser back with.
type answer struct {
	code string
	err  error
}

// codeHandler takes the provider's answer. A request without our state is somebody
// else's.
func codeHandler(state string, codes chan<- answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path != "/" || q.Get("state") != state {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<!doctype html><title>Sluice</title><p>This is not the page you are looking for.")
			return
		}
		a := answer{code: q.Get("code")}
		text := "Sluice may read now. You can close this page."
		if a.code == "" {
			a.err = errors.New("the provider refused: " + clip(q.Get("error")+" "+q.Get("error_description"), 200))
			text = "The provider refused. Look at what sluice says."
		}
		_, _ = io.WriteString(w, "<!doctype html><title>Sluice</title><p>"+text)
		select {
		case codes <- a:
		default:
		}
	})
}

func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return fmt.Sprintf("%q", s)
}
