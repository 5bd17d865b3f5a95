"""What a notebook may do with its network and in its loop without that being said: closed lists."""

import ast

from grader.intake.pasted.loss import LOSSES

STEPS = ("step", "zero_grad")
KNOWN_METHODS = (  # of the network, its optimizer, its schedule and its parameters
    "abs append buffers children clone cpu cuda detach dim eval extend flatten float forward get get_last_lr get_lr item items "
    "keys max mean min modules named_buffers named_children named_modules named_parameters norm numel numpy parameters pow "
    "reshape size square state_dict std sum to tolist train values view"
).split()
KNOWN_FUNCTIONS = (  # that may be given them
    "DataLoader DataParallel abs all any append compile copy count_parameters deepcopy dict display enumerate extend filter format "
    "getattr hasattr id info isinstance iter len list log make_dot map max min next norm parameters_to_vector plot pow print range repr "
    "save set_postfix sorted square stack str sum summary tqdm trange tuple type update watch write zip"
).split()
MOVES = (  # functions and methods that give the same numbers elsewhere, or in another shape or type
    "FloatTensor LongTensor Tensor Variable as_tensor contiguous cpu cuda flatten float from_numpy int iter long next one_hot "
    "permute requires_grad_ reshape squeeze tensor to type type_as unsqueeze view zeros"
).split()
CONTEXTS = "Progress catch_warnings device enable_grad inference_mode no_grad open redirect_stdout set_grad_enabled tqdm trange".split()
HARMLESS = (ast.Import, ast.ImportFrom, ast.Pass, ast.Global, ast.Nonlocal, ast.Assert, ast.Delete, ast.ClassDef)
FUNCTIONS_OF_TORCH = ("CrossEntropyLoss", "cross_entropy", *LOSSES)
MOST_LINES = 30  # of statements that are said one by one
