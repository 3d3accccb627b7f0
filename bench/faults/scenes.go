package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
)

// scenes are all of them, in the order of the matrix.
var scenes = slices.Concat(toldScenes, lostScenes, answerScenes, groupScenes, clientScenes, processScenes, trustScenes, replicaScenes, sharedScenes, exportScenes, boundScenes)

// sceneResult is what came of a scene.
type sceneResult struct {
	*scene
	err error
}

func (r *sceneResult) String() string {
	var s *skipped
	switch {
	case r.err == nil:
		return "passed"
	case errors.As(r.err, &s):
		return "SKIPPED: " + s.why
	}
	return "FAILED: " + r.err.Error()
}

// skips tells whether the scene could not be played here.
func (r *sceneResult) skips() bool {
	var s *skipped
	return errors.As(r.err, &s)
}

// playAll plays the scenes whose row or name matches, a few at once.
func playAll(b *builds, folder, like string, large bool) ([]sceneResult, error) {
	form, err := regexp.Compile(like)
	if err != nil {
		return nil, fmt.Errorf("cannot read --scenes: %w", err)
	}
	var all []sceneResult
	for i := range scenes {
		if form.MatchString(scenes[i].row + " " + scenes[i].name) {
			all = append(all, sceneResult{scene: &scenes[i]})
		}
	}
	play := func(i int) { all[i].err = all[i].play(b, filepath.Join(folder, fmt.Sprint("scene-", i)), large) }
	together(4, len(all), func(i int) {
		if !all[i].alone {
			play(i)
		}
	})
	for i := range all {
		if all[i].alone {
			play(i)
		}
	}
	return all, nil
}
