"""The words of the page in English."""

EN = {
    "title": "Palms that never were",
    "lead": "A neural network has looked at photographs of real palms and now draws new ones. None "
    "of them belongs to anybody.",
    "page_main": "Palms",
    "page_about": "About the model",
    "language": "Language",
    "help_for": "Help for ",
    "skip": "Skip to main content",
    "copy": "Copy",
    "open": "Open the list",
    "close": "Close",
    "count": "How many palms",
    "count_help": "A whole number from 1 to {most}.",
    "make": "Draw them",
    "more": "More options",
    "seed": "Seed",
    "seed_placeholder": "random",
    "seed_help": "The number that everything grows from: the same seed gives the same palms. An "
    "empty field is a random seed.",
    "truncation": "Usual ↔ varied",
    "truncation_help": "On the left palms are near the average and alike, on the right is all that "
    "the model can do.",
    "min_score": "Minimum score",
    "min_score_placeholder": "any",
    "min_score_help": "From 0 to 1. Palms below it are thrown away and others drawn instead. The "
    "higher it is, the longer it takes.",
    "count_empty": "How many palms? Type a whole number from 1 to {most}.",
    "count_not_a_number": "“{typed}” is not a number. Type it in digits, from 1 to {most}.",
    "count_not_whole": "{typed} is not a whole number. Palms come whole: from 1 to {most}.",
    "count_too_small": "{typed} is too few. Ask for 1 to {most} palms.",
    "count_too_large": "{typed} is too many. Up to {most} palms can be made at a time.",
    "seed_wrong": "“{typed}” cannot be a seed. It is a whole number from 0 to {most}; or leave the "
    "field empty.",
    "truncation_wrong": "“{typed}” cannot be the variety. It is a number from 0.01 to 1.",
    "min_score_wrong": "“{typed}” cannot be a score. It is a number from 0 to 1.",
    "too_busy": "Too many people want palms right now. Try again in a minute.",
    "waiting_one": "{n} person is before you in the line",
    "waiting_few": "{n} people are before you in the line",
    "waiting_many": "{n} people are before you in the line",
    "starting": "Starting…",
    "drawing": "{done} of {total} drawn",
    "left": "{time} left",
    "seconds": "{n} s",
    "minutes": "{m} min {s} s",
    "cancel": "Stop",
    "cancelling": "Stopping…",
    "failed": "The palms could not be drawn: something broke inside. Please try again.",
    "palms_one": "{n} palm",
    "palms_few": "{n} palms",
    "palms_many": "{n} palms",
    "set_line": "seed {seed} · {time}",
    "was_cancelled": "Stopped: {done} of {total} are done, and they stay.",
    "was_cancelled_empty": "Stopped before the first palm was there.",
    "gave_up": "Only {done} of {total} reached the score {bar} in {tried} attempts. Lower it to have more.",
    "rejected": "Thrown away below the minimum: {n}.",
    "let_go": "These palms made room for other visitors. Draw them again: with the same seed they "
    "will be the same.",
    "old_model": "A new model was released while the page was open. These palms are by the earlier one.",
    "sort": "Order",
    "sort_number": "by number",
    "sort_score": "best first",
    "page_x_of_y": "Page {page} of {pages}",
    "previous": "← Back",
    "next": "Next →",
    "download_zip": "Download all, ZIP ({size} MB)",
    "download_png": "Download PNG",
    "link": "Link to this set",
    "own_link": "Link to this palm",
    "palm_title": "Palm no. {n}",
    "card": "No. {n}",
    "card_alt": "Drawn palm no. {n}, score {score}",
    "card_open": "Open palm no. {n} large, score {score}",
    "score": "Score",
    "smooth": "Smooth",
    "own_seed": "Its own seed",
    "model": "Model",
    "score_help_calibrated": "The score is the probability that this is a photograph, if real and "
    "drawn palms came in equal numbers. It was checked against palms of people whom the network "
    "has never seen. 0.5 means “cannot tell”.",
    "score_help_raw": "The score is how far the palm convinced the discriminator, the rival "
    "network, from 0 to 1. It was not checked against photographs held back, so it is no "
    "probability: it only compares palms of the same model.",
    "score_what": "What does the score mean?",
    "empty_title": "Palms will appear here",
    "empty": "Say how many you want and press “Draw them”.",
    "loading": "Loading the model…",
    "no_model": "There is no model yet. `make pipeline` makes one; the page takes it up by itself "
    "when it is there.",
    "broken_model": "The released model could not be opened: its files are damaged, or it is not a "
    "model. The page tries again by itself; the server's log tells its keeper more.",
    "broken_new_model": "A new model was released but could not be opened. The earlier one keeps drawing.",
    "broken_model_starter": "A model was released but could not be opened: its files are damaged, or it is "
    "not a model. The starter model draws meanwhile; the page tries again by itself, and the server's log "
    "tells its keeper more.",
    "starter": "Drawn by the starter model, a small one that comes with the program. It steps back as soon "
    "as a model is made and released here.",
    "walk": "A walk between two palms",
    "walk_what": "One palm turns into the other, bit by bit: this is what lies between them for the model.",
    "walk_from": "From no.",
    "walk_to": "To no.",
    "walk_go": "Walk",
    "walk_last": "Putting the animation together…",
    "walk_alt": "Animation: palm no. {start} turns into palm no. {end} and back",
    "walk_download": "Download the animation",
    "like": "More like this",
    "like_title": "Like palm no. {n}",
    "like_what": "Twelve small steps, each in a direction of its own. Choose one, and go on from there.",
    "like_way": "The way",
    "like_here": "The palm that was reached from no. {n}, steps: {steps}, score {score}",
    "like_alt": "Palm a step away in direction {n}, score {score}",
    "like_open": "Step in direction {n}, score {score}",
    "like_back": "One step back",
    "origin": "Where is this palm from?",
    "origin_drop": "Drop a PNG of a palm here, or choose a file. The file stays with you: "
    "the page reads only its beginning, where our note is.",
    "origin_unknown": "There is no note of ours in this file. Either it is not our PNG, "
    "or it was saved again and the note was lost.",
    "origin_palm": "Number in its set",
    "origin_trust": "So says the note in the file. Anybody can forge it.",
    "origin_other_model": "Another model drew it. The present one makes another palm of the same numbers.",
    "origin_again": "Draw it again",
    "licence": "Licence",
    "source": "source code",
    "judge": "Compare with real palms (FID)",
    "judge_help": "How far is the whole set from photographs of real palms? It takes a few seconds "
    "per hundred palms.",
    "judge_looked": "{done} of {total} looked at",
    "judge_last": "Working out the figures…",
    "judge_title": "Compared with real palms",
    "judge_this": "This set",
    "judge_real": "Real palms",
    "judge_images": "Pictures",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
    "weights_of": ", weights ",
    "judge_beside": "Real palms of people whom the model was not trained on score {real} at {n} pictures; "
    "this set of {n} scores {value}. The smaller the distance, the closer to the "
    "training photographs.",
    "judge_beside_other": "Real palms of people whom the model was not trained on score {real}, measured "
    "at {real_n} pictures; this set of {n} scores {value}. The smaller the distance, the closer to "
    "the training photographs.",
    "judge_alone": "This set of {n} scores {value}. What real palms score is not known, because no people "
    "were held back; alone the number means nothing.",
    "judge_farther": "The set is farther away than real palms are, by more than chance explains: taken "
    "together, the palms can be told from photographs.",
    "judge_alike": "The difference is within chance: by this measure and at this number the set cannot be "
    "told from real palms. It says nothing about any single palm.",
    "judge_nearer": "The set is even nearer than other people's real palms: look whether palms repeat "
    "training photographs.",
    "judge_smaller": "A small set scores worse by its size alone, so the set is better than it looks here.",
    "judge_larger": "A large set scores better by its size alone, so the set is worse than it looks here.",
    "judge_filtered": "The set was filtered: palms below the score {bar} were thrown away ({n}), so the "
    "figures are about those chosen, not about the model.",
    "judge_truncated": "Variety was turned down to {truncation}, so the figures are not about all that the "
    "model can do.",
    "judge_few": "So few pictures make a rough measure.",
    "judge_between": "The figures of real palms lie between those measured at {low} and {high} pictures.",
    "judge_not_fid": "This is not FID: only the distance by the Inception network is called that, and here "
    "another network looked. Compare only with numbers of the same network.",
    "judge_kernel": "The second line (of the kind of KID) does not depend on the number of pictures; ± is "
    "the spread between random sets.",
    "judge_against": "Compared with {n} training photographs; network {extractor}, reference {version}.",
    "judge_too_few": "A set can be compared, a single palm cannot: draw at least two.",
    "judge_cancelled": "The comparison was stopped.",
    "judge_no_reference": "There is nothing to compare with yet: the pipeline has made no statistics of real "
    "palms.",
    "judge_broken_reference": "The statistics of real palms are damaged, so there is no comparison. The "
    "server's log tells the page's keeper more.",
    "judge_no_weights": "The network that looked at the real palms is not on this machine, so there is no "
    "comparison. The server's log tells the page's keeper how to fetch it.",
    "judge_other_weights": "The network here is another one than that which looked at the real palms. Their "
    "numbers cannot be compared, so none are shown.",
    "judge_failed": "The comparison did not succeed: something broke inside. Please try again.",
    "nearest_drawn": "Drawn",
    "nearest_real": "Nearest real palm",
    "nearest_alt": "Photograph of a real palm, the nearest to drawn palm no. {n}",
    "nearest_what": "The nearest among {n} training palms, by the features of the network {extractor}. It "
    "is here so that you can see for yourself whether the drawn one is a copy.",
    "about_lead": "Where the model comes from, how good it is, and what it cannot do.",
    "about_samples": "Samples",
    "about_samples_alt": "A grid of palms drawn by the model, not selected",
    "about_samples_note": "One after the other, none left out.",
    "about_facts": "In short",
    "about_version": "Version",
    "about_made": "Made",
    "about_kind": "Kind",
    "about_starter": "starter, comes with the program",
    "about_size": "Size of a picture",
    "about_pixels": "{n} × {n} pixels",
    "about_latent": "Latent numbers of a palm",
    "about_weights": "Weights of the generator",
    "about_scores": "Scores",
    "about_scores_calibrated": "checked against people held back",
    "about_scores_raw": "raw, not checked",
    "about_curves": "How it learned",
    "about_curves_note": "Losses of the two rival networks. In a good game neither wins: the "
    "curves stay near each other and away from zero. By themselves they say nothing about the "
    "pictures' quality.",
    "about_seen": "photographs shown",
    "about_generator": "generator",
    "about_discriminator": "discriminator",
    "about_limits": "What it cannot do",
    "about_limits_text": "- It knows only the palms of its training set: skin, age and poses that "
    "were rare there are rare here too, and come out worse.\n- There are not always five fingers, "
    "and the lines of a palm are rough. The pictures are of no use for medicine, palmistry or "
    "identification.\n- No method proves that nothing was learned by heart; a palm may resemble "
    "somebody's in the training set.",
    "about_photographs": "Whose palms it has seen",
    "about_trained_on": "The model was trained on {n} photographs of {people} people. {held} more, of "
    "{held_people} other people, were held back to judge it.",
    "about_drawn": "These are no photographs: a program drew them, to try out the pipeline.",
    "about_skin": "Skin tone, as written beside the photographs",
    "tone_very_fair": "very fair",
    "tone_fair": "fair",
    "tone_medium": "medium",
    "tone_dark": "dark",
    "tone_unknown": "not stated",
    "about_judged": "How near to real",
    "about_this_model": "The model",
    "about_density": "Density: how deep among real ones",
    "about_coverage": "Coverage: share of real variety reached",
    "about_auth_pct": "Not suspiciously near to a training photograph, %",
    "about_judged_note": "Fresh palms that nobody chose, against the training photographs; beside them real "
    "palms of people whom the model was not trained on. Distances are better when smaller; the other "
    "figures when near those of real palms.",
    "about_other_count": "Real palms were measured at another number of pictures, so the two columns compare "
    "only roughly.",
    "about_beside": "Above, drawn palms; below each, the nearest photograph of training.",
    "about_beside_alt": "Rows of drawn palms, each above the real palm nearest to it",
    "about_reliability": "Does the score keep its word?",
    "about_reliability_note": "Of palms that score, say, 70 %, 70 % should be real. The nearer the points "
    "are to the dashed line, the more the score can be taken at its word. Measured on palms that took part "
    "in neither training nor adjusting; the strokes are two standard deviations.",
    "about_promised": "score",
    "about_came_true": "really photographs",
    "about_details": "All records of the model",
    "about_no_samples": "This model has no grid of samples.",
}
