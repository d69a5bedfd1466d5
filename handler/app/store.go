package app

import (
	"context"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/sluice-connectors/sluice/handler/azblob"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/dir"
	"github.com/sluice-connectors/sluice/handler/engine"
)

// OpenStore opens the store that a configuration names; cred is for one in Azure.
func OpenStore(ctx context.Context, s config.Store, cred azcore.TokenCredential) (engine.Store, error) {
	switch {
	case s.ConnectionString != "":
		return azblob.OpenConnectionString(ctx, s.ConnectionString, s.Container)
	case s.Quarantine != "":
		store, err := azblob.Open(ctx, s.Container, cred, nil)
		if err != nil {
			return nil, err
		}
		quarantine, err := azblob.Open(ctx, s.Quarantine, cred, nil)
		return apart{store, quarantine}, err
	case s.Container != "":
		return azblob.Open(ctx, s.Container, cred, nil)
	}
	return dir.Open(s.Dir)
}

// apart is a store with a place of its own for quarantine.
type apart struct {
	engine.Store
	quarantine engine.Store
}

// of returns where an object is kept.
func (s apart) of(name string) engine.Store {
	if strings.HasPrefix(name, engine.QuarantinePrefix) {
		return s.quarantine
	}
	return s.Store
}

func (s apart) Put(ctx context.Context, name string, data []byte) error {
	return s.of(name).Put(ctx, name, data)
}

func (s apart) Get(ctx context.Context, name string) ([]byte, error) {
	return s.of(name).Get(ctx, name)
}

func (s apart) Delete(ctx context.Context, name string) error { return s.of(name).Delete(ctx, name) }

func (s apart) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return s.of(prefix).List(ctx, prefix)
}

func (s apart) AddLine(ctx context.Context, name string, line []byte) error {
	return s.of(name).AddLine(ctx, name, line)
}
