"""One file per operator: public function, allocation, fake kernel, autograd."""
