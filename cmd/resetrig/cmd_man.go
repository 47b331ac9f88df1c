package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the man pages: one for each command, from what --help says.
// It is for those who build packages, so no help names it.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages of all commands into a folder",
		Long:   "Writes a man page for each command. Their date is SOURCE_DATE_EPOCH, seconds since 1970, or else today.",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date := time.Now()
			if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
				sec, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					return usage(fmt.Errorf("SOURCE_DATE_EPOCH=%q: want seconds since 1970", s))
				}
				date = time.Unix(sec, 0)
			}
			date = date.UTC()
			root := cmd.Root()
			root.DisableAutoGenTag = true
			root.InitDefaultCompletionCmd()
			// The default is that of whoever reads the page, not of whoever writes it.
			root.PersistentFlags().Lookup("state").DefValue = stateWords
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return usage(err)
			}
			return rigError(doc.GenManTree(root, &doc.GenManHeader{
				Section: "1", Date: &date, Source: "resetrig " + version, Manual: "Reset test rig",
			}, args[0]))
		},
	}
}

// stateWords is defaultState in words.
const stateWords = "$RESETRIG_STATE, or " + systemState + " for root and its owner, or ~/.local/state/resetrig"
