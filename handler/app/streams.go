package app

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/rest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/stream"
)

// NewStreams prepares streams of a connection, part by part: requests and rows.
func NewStreams(res *config.Resolved, store engine.Store, log *slog.Logger, list []*spec.Stream) (streams []*engine.Stream, err error) {
	conn, err := OpenConnection(res, store, log)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		for _, part := range conn.Parts(s) {
			one, err := stream.New(conn, s, part)
			if err != nil {
				return nil, err
			}
			if m, ok := one.Mapper.(sentinel.Mapper); ok {
				m.ByArrival = res.ByArrival
				one.Mapper = m
			}
			one.Start = cmp.Or(res.Starts[s.Name], res.Start)
			streams = append(streams, one)
		}
	}
	return streams, nil
}

// OpenConnection prepares what the streams of a connection share. A credential that
// the provider replaces is kept in store.
func OpenConnection(res *config.Resolved, store engine.Store, log *slog.Logger) (*rest.Connection, error) {
	return rest.Open(res.Connector, rest.Options{Name: res.Name, Transport: Providers, BaseURL: res.BaseURL, Settings: res.Settings, UserAgent: "Sluice/" + Version(), PrivateNetwork: res.Private, Log: log,
		Through: observing.t.Through, Azure: AzureToken, Keep: &keeper{store, "credentials/" + res.Name}})
}

// Providers is the way to the providers; nil: the network. Tests have one of their own.
var Providers http.RoundTripper

// keeper keeps a credential in the store; it comes sealed.
type keeper struct {
	store engine.Store
	name  string
}

func (k *keeper) Load(ctx context.Context) ([]byte, error) { return k.store.Get(ctx, k.name) }

func (k *keeper) Save(ctx context.Context, sealed []byte) error {
	return k.store.Put(ctx, k.name, sealed)
}
